import { type MachineType, type MachineVendor, parseMachineType } from './machine-type.ts';
import { policyCovers, policyDeprecated, releasesUntilRemoved, removedIn } from './machine-type-policy.ts';
import { formatRelease, type QemuVersion, releasesBetween } from './qemu-release.ts';
import {
  compareRhel,
  type OfferedFamily,
  type OfferedMachines,
  type OfferedType,
} from './supported-machines.ts';

export interface MachineTypeQuestion {
  /** The domain's machine type as written: a canonical name or an alias. */
  readonly machine: string;
  /** libvirt's name of the domain's architecture. */
  readonly arch: string;
  /** What the domain's emulator offers; `undefined`, or an index of no rows, when that is not known. */
  readonly offered: OfferedMachines | undefined;
  /** QEMU version of the domain's emulator as installed now. */
  readonly installed: QemuVersion | undefined;
}

export interface MachineTypeVerdict {
  /** The canonical name, where the offer resolves an alias. */
  readonly machine: string;
  readonly family: string;
  readonly version: string;
  readonly vendor: MachineVendor;
  /** Newest offered type of the family that compares with this one; `''` when there is none. */
  readonly latest: string;
  /** First QEMU release that by policy no longer has it; `''` when unknown. */
  readonly removedIn: string;
  /** QEMU releases from the installed one to `removedIn`, less than 1 when that is past; `undefined` when unknown. */
  readonly releasesUntilRemoved: number | undefined;
  /**
   * Releases from this type to `latest`, 0 when it is the newest. QEMU releases; for RHEL the newer versions
   * of the family that are offered. `undefined` for unversioned types and wherever one of the two is unknown.
   */
  readonly releasesBehind: number | undefined;
  /** By the emulator's mark or QEMU's policy; `undefined` when neither can be told. */
  readonly deprecated: boolean | undefined;
}

/** Whether an emulator offers a machine type, or what its alias stands for; `undefined` when its offer is not known. */
export function isOffered(machine: string, offered: OfferedMachines | undefined): boolean | undefined {
  if (offered === undefined || offered.byName.size === 0) return undefined;
  return offered.byName.has(offered.canonicalOf.get(machine) ?? machine);
}

/** Judges one domain's machine type. Cheap: parses one name, and looks the rest up. */
export function judgeMachineType(question: MachineTypeQuestion): MachineTypeVerdict {
  const offered = question.offered?.byName.size === 0 ? undefined : question.offered;
  const name = offered?.canonicalOf.get(question.machine) ?? question.machine;
  const entry = offered?.byName.get(name);
  const type = entry?.type ?? parseMachineType(name);
  const subject = entry ?? { type, release: type.release, deprecated: false };
  const family = type.vendor === 'unversioned' ? undefined : offered?.byFamily.get(type.family);
  const latest = newestComparable(type, family);
  const removed = removedIn(type, question.arch);
  return {
    machine: type.machine,
    family: type.family,
    version: type.version,
    vendor: type.vendor,
    latest: latest?.type.machine ?? '',
    removedIn: removed === undefined ? '' : formatRelease(removed),
    releasesUntilRemoved: question.installed && releasesUntilRemoved(type, question.arch, question.installed),
    releasesBehind: releasesBehind(subject, latest, family),
    deprecated: deprecated(question, type, entry, offered !== undefined),
  };
}

function newestComparable(type: MachineType, family: OfferedFamily | undefined): OfferedType | undefined {
  const sameVendor = family?.newest.get(type.vendor);
  // RHEL's version says only roughly which QEMU it is: it compares with nothing but RHEL.
  return sameVendor ?? (type.vendor === 'rhel' ? undefined : family?.newestByRelease);
}

function releasesBehind(
  { type, release }: OfferedType,
  latest: OfferedType | undefined,
  family: OfferedFamily | undefined,
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
  { arch, installed }: MachineTypeQuestion,
  type: MachineType,
  entry: OfferedType | undefined,
  offerKnown: boolean,
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
  // Not offered, or offer unknown: policy alone could tell, and without a version it cannot either.
  return offerKnown && !policyCovers(type, arch) ? false : undefined;
}
