import { type MachineType, type MachineVendor, parseMachineType } from './machine-type.ts';
import { policyCovers, policyDeprecated, releasesUntilRemoved, removedIn } from './machine-type-policy.ts';
import { formatRelease, type QemuVersion, releasesBetween } from './qemu-release.ts';
import {
  compareRhel,
  type SupportedFamily,
  type SupportedMachines,
  type SupportedType,
} from './supported-machines.ts';

interface MachineTypeInput {
  /** The domain's machine type as written: a canonical name or an alias. */
  readonly machine: string;
  /** libvirt's name of the domain's architecture. */
  readonly arch: string;
  /** Machine types that the domain's emulator supports; `undefined`, or an index without rows, when unknown. */
  readonly supported: SupportedMachines | undefined;
  /** QEMU version of the domain's emulator as installed now. */
  readonly installed: QemuVersion | undefined;
}

export interface MachineTypeResult {
  /** The canonical name, when the emulator's list resolves an alias. */
  readonly machine: string;
  readonly family: string;
  readonly version: string;
  readonly vendor: MachineVendor;
  /** Newest supported type of the family that compares with this one; `''` when there is none. */
  readonly latest: string;
  /** First QEMU release that by policy no longer has the type; `''` when unknown. */
  readonly removedIn: string;
  /** QEMU releases from the installed one to `removedIn`; 0 or less when it is installed or past; `undefined` when unknown. */
  readonly releasesUntilRemoved: number | undefined;
  /**
   * Releases from this type to `latest`, 0 when this type is the newest. QEMU releases; for RHEL the newer versions of
   * the family that are supported. `undefined` for unversioned types and where one of the two types is unknown.
   */
  readonly releasesBehind: number | undefined;
  /** By the emulator's mark or QEMU's policy; `undefined` when both are unknown. */
  readonly deprecated: boolean | undefined;
}

/** Whether an emulator supports a machine type or the target of an alias; `undefined` when its list is unknown. */
export function isSupported(machine: string, supported: SupportedMachines | undefined): boolean | undefined {
  if (supported === undefined || supported.byName.size === 0) return undefined;
  return supported.byName.has(supported.canonicalOf.get(machine) ?? machine);
}

/** Evaluates one domain's machine type. Cheap: parses one name and looks up the rest. */
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
  // RHEL's version corresponds only roughly to a QEMU release, so a RHEL type is compared with RHEL types alone.
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
  // The type is not in the list, or there is no list: only the policy can decide, and it needs the installed version.
  return machinesKnown && !policyCovers(type, arch) ? false : undefined;
}
