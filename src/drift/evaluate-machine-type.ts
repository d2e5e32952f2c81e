import { type MachineType, type MachineVendor, parseMachineType } from './machine-type.ts';
import { policyCovers, policyDeprecated, releasesUntilRemoved, removedIn } from './machine-type-policy.ts';
import { formatRelease, type QemuVersion, releasesBetween } from './qemu-release.ts';
import {
  compareRhel,
  type SupportedFamily,
  type SupportedMachines,
  type SupportedType,
} from './supported-machines.ts';

export interface MachineTypeInput {
  /** The domain's machine type as written: a canonical name or an alias. */
  readonly machine: string;
  /** libvirt's name of the domain's architecture. */
  readonly arch: string;
  /** What the domain's emulator offers; `undefined`, or an index of no rows, when that is not known. */
  readonly supported: SupportedMachines | undefined;
  /** QEMU version of the domain's emulator as installed now. */
  readonly installed: QemuVersion | undefined;
}

export interface MachineTypeResult {
  /** The canonical name, where the offer resolves an alias. */
  readonly machine: string;
  readonly family: string;
  readonly version: string;
  readonly vendor: MachineVendor;
  /** Newest supported type of the family that compares with this one; `''` when there is none. */
  readonly latest: string;
  /** First QEMU release that by policy no longer has it; `''` when unknown. */
  readonly removedIn: string;
  /** QEMU releases from the installed one to `removedIn`, less than 1 when that is past; `undefined` when unknown. */
  readonly releasesUntilRemoved: number | undefined;
  /**
   * Releases from this type to `latest`, 0 when it is the newest. QEMU releases; for RHEL the newer versions
   * of the family that are supported. `undefined` for unversioned types and wherever one of the two is unknown.
   */
  readonly releasesBehind: number | undefined;
  /** By the emulator's mark or QEMU's policy; `undefined` when neither can be told. */
  readonly deprecated: boolean | undefined;
}

/** Whether an emulator offers a machine type, or what its alias stands for; `undefined` when its offer is not known. */
export function isSupported(machine: string, supported: SupportedMachines | undefined): boolean | undefined {
  if (supported === undefined || supported.byName.size === 0) return undefined;
  return supported.byName.has(supported.canonicalOf.get(machine) ?? machine);
}

/** Judges one domain's machine type. Cheap: parses one name, and looks the rest up. */
export function evaluateMachineType(input: MachineTypeInput): MachineTypeResult {
  const supported = input.supported?.byName.size === 0 ? undefined : input.supported;
  const name = supported?.canonicalOf.get(input.machine) ?? input.machine;
  const entry = supported?.byName.get(name);
  const type = entry?.type ?? parseMachineType(name);
  const subject = entry ?? { type, release: type.release, deprecated: false };
  const family = type.vendor === 'unversioned' ? undefined : supported?.byFamily.get(type.family);
  const latest = newestComparable(type, family);
  const removed = removedIn(type, input.arch);
  return {
    machine: type.machine,
    family: type.family,
    version: type.version,
    vendor: type.vendor,
    latest: latest?.type.machine ?? '',
    removedIn: removed === undefined ? '' : formatRelease(removed),
    releasesUntilRemoved: input.installed && releasesUntilRemoved(type, input.arch, input.installed),
    releasesBehind: releasesBehind(subject, latest, family),
    deprecated: deprecated(input, type, entry, supported !== undefined),
  };
}

function newestComparable(type: MachineType, family: SupportedFamily | undefined): SupportedType | undefined {
  const sameVendor = family?.newest.get(type.vendor);
  // RHEL's version says only roughly which QEMU it is: it compares with nothing but RHEL.
  return sameVendor ?? (type.vendor === 'rhel' ? undefined : family?.newestByRelease);
}

function releasesBehind(
  { type, release }: SupportedType,
  latest: SupportedType | undefined,
  family: SupportedFamily | undefined,
): number | undefined {
  if (latest === undefined) {
    return undefined;
  }
  const rhel = type.rhel;
  if (rhel !== undefined) {
    return family?.rhelVersions.filter((version) => compareRhel(version, rhel) > 0).length;
  }
  if (latest.type.machine === type.machine) {
    return 0;
  }
  return release === undefined || latest.release === undefined
    ? undefined
    : Math.max(0, releasesBetween(release, latest.release));
}

function deprecated(
  { arch, installed }: MachineTypeInput,
  type: MachineType,
  entry: SupportedType | undefined,
  machinesKnown: boolean,
): boolean | undefined {
  if (entry?.deprecated === true) {
    return true;
  }
  if (policyCovers(type, arch) && installed !== undefined) {
    return policyDeprecated(type, arch, installed);
  }
  if (entry !== undefined) {
    return false;
  }
  // Not supported, or offer unknown: policy alone could tell, and without a version it cannot either.
  return machinesKnown && !policyCovers(type, arch) ? false : undefined;
}
