import type { QemuRelease } from './qemu-release.ts';
import { ubuntuBase } from './ubuntu-codenames.ts';

/**
 * The project that versions a machine type: `upstream`, `ubuntu`, `rhel`, `proxmox`, `virtuozzo`; for any other suffix the
 * word in the name, such as `kylin`; `unversioned` when the name has neither version nor suffix.
 */
export type MachineVendor = string;

/** A vendor's own version of a machine type: `pc-q35-rhel9.4.0` is `[9, 4, 0]`. */
export type VendorVersion = readonly [major: number, minor: number, patch: number];

/** The parts of a machine type's name. */
export interface MachineType {
  /** The name itself, cut to `MAX_MACHINE_LENGTH`. */
  readonly machine: string;
  /** `pc-q35`, `pc-i440fx`, `virt`, `pseries`, `s390-ccw-virtio`; the whole name when unversioned. */
  readonly family: string;
  /** `7.2`, `4.0.1`; of Ubuntu's types the QEMU release they are based on; of RHEL's `9.4.0`; else `''`. */
  readonly version: string;
  readonly vendor: MachineVendor;
  /** The QEMU release it stands for; `undefined` for a vendor's own version, and where there is none. */
  readonly release: QemuRelease | undefined;
  /** Third part of the version: 1 in `pc-q35-4.0.1`, a revision within 4.0. Mostly 0. */
  readonly point: number;
  readonly vendorVersion: VendorVersion | undefined;
  /** What follows version or codename, without its first dash: `sxxm`, `hpb-maxcpus`, `v2`, `+pve1`, `''`. */
  readonly suffix: string;
}

/** No real name is longer; a longer one is cut and counts as unversioned. */
export const MAX_MACHINE_LENGTH = 128;

// Every quantifier below is followed by something its class cannot match: linear time on any input.
const VERSION = String.raw`(\d{1,3})\.(\d{1,3})(?:\.(\d{1,3}))?`;
// `pc-1.3` and older predate the name i440fx, and are the same board.
const QEMU_NAME = new RegExp(
  `^(pc-i440fx|pc-q35|pc|virt|pseries|s390-ccw-virtio)-${VERSION}((?:-[A-Za-z0-9._]+)*)$`,
);
// Proxmox VE's own pattern (qemu-server, PVE::QemuServer::Machine), less the forms without a version.
const PROXMOX_NAME = new RegExp(
  String.raw`^(pc-i440fx|pc-q35|pc|virt)-${VERSION}((?:\+pve\d{1,6})?(?:\.pxe)?)$`,
);
/** A family with a vendor's word, a version behind the word where there is one, and more words. */
const VENDOR_NAME =
  /^(pc-i440fx|pc-q35|virt|pseries|s390-ccw-virtio)-([A-Za-z]{2,24})(?:(\d{1,4})(?:\.(\d{1,3}))?(?:\.(\d{1,3}))?)?((?:-[A-Za-z0-9._]+)*)$/;
/** RHEL 6 named its i440fx types like this, and RHEL 7 still supported them. */
const RHEL_6_NAME = /^rhel(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/;
// Ubuntu 12.04 to 14.04 named its types after a version and a codename: pc-1.0-precise (an alias of
// pc-1.0-qemu-kvm there), pc-i440fx-1.5-saucy.
const OLD_UBUNTU_SUFFIXES: ReadonlySet<string> = new Set(['precise', 'qemu-kvm', 'saucy']);
/** Words of upstream's own variants and of revisions, which name no vendor. */
const VARIANT_WORD = /^(?:sxxm|hpb|maxcpus|v?\d+)$/;
const VENDORS: ReadonlyMap<string, string> = new Map([['vz', 'virtuozzo']]);
/** No vendor may pass for these. */
const RESERVED: ReadonlySet<string> = new Set(['proxmox', 'unversioned', 'upstream']);

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
  return parseQemuName(name) ?? parseVendorName(name) ?? unversioned(name);
}

/** The same type as one of Ubuntu's whose codename is not in the table: the emulator that lists it is Ubuntu's. */
export function asUbuntu(type: MachineType): MachineType {
  return { ...type, vendor: 'ubuntu' };
}

/** Whether the name is a family with a codename alone, as Ubuntu's are. */
export function isLikeUbuntu(type: MachineType): boolean {
  return (
    type.vendor !== 'unversioned' &&
    type.release === undefined &&
    type.vendorVersion === undefined &&
    type.machine.startsWith(`${type.family}-${type.vendor}`)
  );
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
    vendor: plain === null ? 'proxmox' : vendorOfSuffix(suffix),
    release: { major: Number(major), minor: Number(minor) },
    point: Number(point ?? 0),
    vendorVersion: undefined,
    suffix,
  };
}

/** Of a type with QEMU's own version: `pc-q35-8.2-kylin1` is Kylin's. */
function vendorOfSuffix(suffix: string): MachineVendor {
  if (OLD_UBUNTU_SUFFIXES.has(suffix)) return 'ubuntu';
  const word = suffix.split('-').find((part) => !VARIANT_WORD.test(part)) ?? '';
  const letters = /^[A-Za-z]{2,24}/.exec(word)?.[0].toLowerCase() ?? '';
  if (letters === '' || RESERVED.has(letters)) return 'upstream';
  return VENDORS.get(letters) ?? letters;
}

function parseVendorName(name: string): MachineType | undefined {
  const rhel6 = RHEL_6_NAME.exec(name);
  const match =
    rhel6 === null ? VENDOR_NAME.exec(name) : [name, 'pc-i440fx', 'rhel', rhel6[1], rhel6[2], rhel6[3], ''];
  if (match === null) {
    return undefined;
  }
  const [, family = '', word = '', major, minor, patch, tail = ''] = match;
  const letters = word.toLowerCase();
  const suffix = tail.slice(1);
  const base = major === undefined ? ubuntuBase(family, word, suffix) : undefined;
  if (base === undefined && RESERVED.has(letters)) {
    return undefined;
  }
  return {
    machine: name,
    family,
    version: base?.version ?? [major, minor, patch].filter((part) => part !== undefined).join('.'),
    vendor: base === undefined ? (VENDORS.get(letters) ?? letters) : 'ubuntu',
    release: base?.release,
    point: 0,
    vendorVersion: major === undefined ? undefined : [Number(major), Number(minor ?? 0), Number(patch ?? 0)],
    suffix,
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
    vendorVersion: undefined,
    suffix: '',
  };
}
