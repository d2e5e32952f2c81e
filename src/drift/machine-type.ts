import type { QemuRelease } from './qemu-release.ts';
import { ubuntuBase } from './ubuntu-codenames.ts';

/** The project that versions a machine type; `unversioned` when the name has no version. */
export const MACHINE_VENDORS = ['upstream', 'ubuntu', 'rhel', 'proxmox', 'unversioned'] as const;
export type MachineVendor = (typeof MACHINE_VENDORS)[number];

/** RHEL's own version of a machine type: `pc-q35-rhel9.4.0` is `[9, 4, 0]`. */
export type RhelVersion = readonly [major: number, minor: number, patch: number];

/** The parts of a machine type's name. */
export interface MachineType {
  /** The name itself, cut to `MAX_MACHINE_LENGTH`. */
  readonly machine: string;
  /** `pc-q35`, `pc-i440fx`, `virt`, `pseries`, `s390-ccw-virtio`; the whole name when unversioned. */
  readonly family: string;
  /** `7.2`, `4.0.1`; of Ubuntu's types the QEMU release they are based on; of RHEL's `9.4.0`; else `''`. */
  readonly version: string;
  readonly vendor: MachineVendor;
  /** The QEMU release it stands for; `undefined` for RHEL, unversioned, and an unknown Ubuntu codename. */
  readonly release: QemuRelease | undefined;
  /** Third part of the version: 1 in `pc-q35-4.0.1`, a revision within 4.0. Mostly 0. */
  readonly point: number;
  readonly rhel: RhelVersion | undefined;
  /** What follows version or codename, without its first dash: `sxxm`, `hpb-maxcpus`, `v2`, `+pve1`, `''`. */
  readonly suffix: string;
}

/** No real name is longer; a longer one is cut and counts as unversioned. */
export const MAX_MACHINE_LENGTH = 128;

// Every quantifier below is followed by something its class cannot match: linear time on any input.
const VERSION = String.raw`(\d{1,3})\.(\d{1,3})(?:\.(\d{1,3}))?`;
const SUFFIX = '((?:-[a-z0-9]+)*)';
// `pc-1.3` and older predate the name i440fx, and are the same board.
const QEMU_NAME = new RegExp(`^(pc-i440fx|pc-q35|pc|virt|pseries|s390-ccw-virtio)-${VERSION}${SUFFIX}$`);
// Proxmox VE's own pattern (qemu-server, PVE::QemuServer::Machine), less the forms without a version.
const PROXMOX_NAME = new RegExp(
  String.raw`^(pc-i440fx|pc-q35|pc|virt)-${VERSION}((?:\+pve\d{1,6})?(?:\.pxe)?)$`,
);
const UBUNTU_NAME = new RegExp(`^(pc-i440fx|pc-q35|pseries|s390-ccw-virtio)-([a-z]{3,24})${SUFFIX}$`);
const RHEL_NAME = new RegExp(
  String.raw`^(?:(pc-i440fx|pc-q35|virt|pseries|s390-ccw-virtio)-)?rhel(\d{1,3})\.(\d{1,3})\.(\d{1,3})${SUFFIX}$`,
);
// Ubuntu 12.04 to 14.04 named its types after a version and a codename: pc-1.0-precise (an alias of
// pc-1.0-qemu-kvm there), pc-i440fx-1.5-saucy.
const OLD_UBUNTU_SUFFIXES: ReadonlySet<string> = new Set(['precise', 'qemu-kvm', 'saucy']);

/**
 * Parses the name of a QEMU machine type, as in `<os><type machine=…>` or an emulator's list. Never throws:
 * a name without a version (boards, `microvm`, `powernv10` whose number is a CPU generation, the aliases
 * `pc` and `q35`, riscv64's `virt`) is `unversioned`. So is Xen's `xenfv-4.2`, to which QEMU's version policy
 * does not apply.
 */
export function parseMachineType(name: string): MachineType {
  if (name.length > MAX_MACHINE_LENGTH) {
    return unversioned(name.slice(0, MAX_MACHINE_LENGTH));
  }
  return parseQemuName(name) ?? parseUbuntuName(name) ?? parseRhelName(name) ?? unversioned(name);
}

function parseQemuName(name: string): MachineType | undefined {
  const plain = QEMU_NAME.exec(name);
  const match = plain ?? PROXMOX_NAME.exec(name);
  if (match === null) {
    return undefined;
  }
  const [, family = '', major = '', minor = '', point, tail = ''] = match;
  const suffix = tail.startsWith('-') ? tail.slice(1) : tail;
  return {
    machine: name,
    family: boardFamily(family),
    version: point === undefined ? `${major}.${minor}` : `${major}.${minor}.${point}`,
    vendor: plain === null ? 'proxmox' : OLD_UBUNTU_SUFFIXES.has(suffix) ? 'ubuntu' : 'upstream',
    release: { major: Number(major), minor: Number(minor) },
    point: Number(point ?? 0),
    rhel: undefined,
    suffix,
  };
}

function parseUbuntuName(name: string): MachineType | undefined {
  const match = UBUNTU_NAME.exec(name);
  if (match === null) {
    return undefined;
  }
  const [, family = '', codename = '', tail = ''] = match;
  const suffix = tail.slice(1);
  const base = ubuntuBase(family, codename, suffix);
  return {
    machine: name,
    family,
    version: base?.version ?? '',
    vendor: 'ubuntu',
    release: base?.release,
    point: 0,
    rhel: undefined,
    suffix,
  };
}

function parseRhelName(name: string): MachineType | undefined {
  const match = RHEL_NAME.exec(name);
  if (match === null) {
    return undefined;
  }
  // RHEL 6 named its i440fx types `rhel6.6.0` alone, and RHEL 7 still supported them.
  const [, family = 'pc-i440fx', major = '', minor = '', patch = '', tail = ''] = match;
  return {
    machine: name,
    family,
    version: `${major}.${minor}.${patch}`,
    vendor: 'rhel',
    release: undefined,
    point: 0,
    rhel: [Number(major), Number(minor), Number(patch)],
    suffix: tail.slice(1),
  };
}

function boardFamily(family: string): string {
  return family === 'pc' ? 'pc-i440fx' : family;
}

function unversioned(name: string): MachineType {
  return {
    machine: name,
    family: name,
    version: '',
    vendor: 'unversioned',
    release: undefined,
    point: 0,
    rhel: undefined,
    suffix: '',
  };
}
