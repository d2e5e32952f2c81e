import { distributionRemovedIn } from './distribution-policy.ts';
import { type MachineType, type MachineVendor, parseMachineType } from './machine-type.ts';
import { policyCovers, policyDeprecated, releasesUntilRemoved, removedIn } from './machine-type-policy.ts';
import { formatRelease, type QemuVersion, releasesBetween } from './qemu-release.ts';
import {
  compareVendorVersions,
  type SupportedFamily,
  type SupportedMachines,
  type SupportedType,
} from './supported-machines.ts';

/** What decides whether an emulator's machine type is deprecated. */
export interface DeprecationContext {
  /** libvirt's name of the architecture. */
  readonly arch: string;
  /** QEMU version of the emulator as installed now. */
  readonly installed: QemuVersion | undefined;
  /** Whether the emulator's list has the emulator's own marks of deprecated types, as libvirt passes them on since 8.0. */
  readonly hasMarks: boolean;
}

interface MachineTypeInput extends DeprecationContext {
  /** The domain's machine type as written: a canonical name or an alias. */
  readonly machine: string;
  /** Machine types that the domain's emulator supports; `undefined`, or an index without rows, when unknown. */
  readonly supported: SupportedMachines | undefined;
}

export interface MachineTypeResult {
  /** The canonical name, when the emulator's list resolves an alias. */
  readonly machine: string;
  readonly family: string;
  readonly version: string;
  readonly vendor: MachineVendor;
  /** Newest supported type of the family that compares with this one; `''` when there is none. */
  readonly latest: string;
  /** First QEMU release that by QEMU's policy no longer has the type; `''` when unknown. */
  readonly removedIn: string;
  /** First release of the distribution that by its own policy no longer has the type, `Ubuntu 27.10`; `''` when unknown. */
  readonly removedInDistribution: string;
  /**
   * Where the family ends, because the newest types of all vendors are deprecated or there is none: the newest type of the
   * family to move to; else `''`.
   */
  readonly successor: string;
  /** QEMU releases from the installed one to `removedIn`; 0 or less when it is installed or past; `undefined` when unknown. */
  readonly releasesUntilRemoved: number | undefined;
  /**
   * Releases from this type to `latest`, 0 when this type is the newest. QEMU releases; for a vendor's own versions the
   * newer versions of the family that are supported. `undefined` for unversioned types and where one of the two types is
   * unknown.
   */
  readonly releasesBehind: number | undefined;
  /** By the emulator's mark or QEMU's policy; `undefined` when both are unknown. */
  readonly deprecated: boolean | undefined;
}

/** Families that QEMU's distributors end, and the family that takes their domains. */
const SUCCESSORS: ReadonlyMap<string, string> = new Map([['pc-i440fx', 'pc-q35']]);

/** Whether an emulator supports a machine type or the target of an alias; `undefined` when its list is unknown. */
export function isSupported(machine: string, supported: SupportedMachines | undefined): boolean | undefined {
  if (supported === undefined || supported.byName.size === 0) return undefined;
  return supported.byName.has(supported.canonicalOf.get(machine) ?? machine);
}

/** Whether a type that the emulator supports is deprecated; `undefined` when neither mark nor policy says. */
export function isDeprecated(
  { type, deprecated }: Pick<SupportedType, 'type' | 'deprecated'>,
  { arch, installed, hasMarks }: DeprecationContext,
): boolean | undefined {
  if (deprecated) return true;
  if (policyCovers(type, arch) && installed !== undefined) return policyDeprecated(type, arch, installed);
  return hasMarks ? false : undefined;
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
  // Of a type that the policy covers and the emulator's list lacks, the policy decides, and needs the installed version.
  const marksDecide = entry !== undefined || (supported !== undefined && !policyCovers(type, input.arch));
  return {
    machine: type.machine,
    family: type.family,
    version: type.version,
    vendor: type.vendor,
    latest: latest?.type.machine ?? '',
    removedIn: removed === undefined ? '' : formatRelease(removed),
    removedInDistribution: distributionRemovedIn(type),
    successor: successor(type, supported, input),
    releasesUntilRemoved: input.installed && releasesUntilRemoved(type, input.arch, input.installed),
    releasesBehind: releasesBehind(subject, latest, family),
    deprecated: isDeprecated(subject, { ...input, hasMarks: input.hasMarks && marksDecide }),
  };
}

function newestComparable(type: MachineType, family: SupportedFamily | undefined): SupportedType | undefined {
  const sameVendor = family?.newest.get(type.vendor);
  // A vendor's version corresponds only roughly to a QEMU release, so such a type is compared with the vendor's alone.
  const hasOwnVersions = type.vendorVersion !== undefined || type.vendor === 'rhel';
  return sameVendor ?? (hasOwnVersions ? undefined : family?.newestByRelease);
}

function successor(
  { family, vendor }: MachineType,
  supported: SupportedMachines | undefined,
  context: DeprecationContext,
): string {
  const next = supported?.byFamily.get(SUCCESSORS.get(family) ?? '');
  if (next === undefined || hasFuture(supported?.byFamily.get(family), context)) return '';
  const candidates = [next.newest.get(vendor), next.newestByRelease, ...next.newest.values()];
  return candidates.find((it) => it !== undefined && isDeprecated(it, context) !== true)?.type.machine ?? '';
}

/** Whether the newest type of some vendor is not deprecated. */
function hasFuture(family: SupportedFamily | undefined, context: DeprecationContext): boolean {
  return [...(family?.newest.values() ?? [])].some((newest) => isDeprecated(newest, context) !== true);
}

function releasesBehind(
  { type, release }: Pick<SupportedType, 'type' | 'release'>,
  latest: SupportedType | undefined,
  family: SupportedFamily | undefined,
): number | undefined {
  if (latest === undefined) {
    return undefined;
  }
  const { vendorVersion } = type;
  if (vendorVersion !== undefined) {
    const versions = family?.vendorVersions.get(type.vendor);
    return versions?.filter((version) => compareVendorVersions(version, vendorVersion) > 0).length;
  }
  if (latest.type.machine === type.machine) {
    return 0;
  }
  return release === undefined || latest.release === undefined
    ? undefined
    : Math.max(0, releasesBetween(release, latest.release));
}
