import {
  asUbuntu,
  isLikeUbuntu,
  type MachineType,
  parseMachineType,
  type VendorVersion,
} from './machine-type.ts';
import { type QemuRelease, releaseOrdinal } from './qemu-release.ts';

/** One `<machine>` of the capabilities' `<guest><arch>`: a type, or with `canonical` an alias of one. */
interface SupportedMachineRow {
  readonly name: string;
  /** The type that this row is an alias of. */
  readonly canonical?: string | undefined;
  readonly deprecated: boolean;
}

export interface SupportedType {
  readonly type: MachineType;
  /** As `type.release`, or inferred: see {@link inferNewestCodename}. */
  readonly release: QemuRelease | undefined;
  /** The emulator's own mark. */
  readonly deprecated: boolean;
}

export interface SupportedFamily {
  /** Newest of each vendor. */
  readonly newest: ReadonlyMap<string, SupportedType>;
  /** Newest among the types that stand for a QEMU release: those of upstream, Ubuntu and Proxmox. */
  readonly newestByRelease: SupportedType | undefined;
  /** The distinct versions supported of each vendor that has versions of its own, such as RHEL. */
  readonly vendorVersions: ReadonlyMap<string, readonly VendorVersion[]>;
}

/** The machine types that one emulator supports, indexed once for all its domains. */
export interface SupportedMachines {
  readonly byName: ReadonlyMap<string, SupportedType>;
  /** From alias to canonical name. */
  readonly canonicalOf: ReadonlyMap<string, string>;
  readonly byFamily: ReadonlyMap<string, SupportedFamily>;
}

/** `unknown`: the emulator's own marks are not passed on, and no policy covers the types. */
export const SUPPORT_STATUSES = ['current', 'deprecated', 'unknown'] as const;
export type SupportStatus = (typeof SUPPORT_STATUSES)[number];

interface SupportedCount {
  readonly family: string;
  readonly status: SupportStatus;
  readonly count: number;
}

/** Indexes one emulator's machine types. The same row may occur more than once (per `<domain type=…>`). */
export function indexSupportedMachines(rows: Iterable<SupportedMachineRow>): SupportedMachines {
  const canonicalOf = new Map<string, string>();
  const deprecatedOf = new Map<string, boolean>();
  for (const row of rows) {
    const name = row.canonical ?? row.name;
    if (row.canonical !== undefined && row.canonical !== row.name) {
      canonicalOf.set(row.name, row.canonical);
    }
    deprecatedOf.set(name, row.deprecated || deprecatedOf.get(name) === true);
  }
  const families = new Map<string, SupportedType[]>();
  const isUbuntus = isUbuntusList(canonicalOf, deprecatedOf.keys());
  for (const [name, deprecated] of deprecatedOf) {
    const parsed = parseMachineType(name);
    const type = isUbuntus && isLikeUbuntu(parsed) ? asUbuntu(parsed) : parsed;
    const members = families.get(type.family) ?? [];
    members.push({ type, release: type.release, deprecated });
    families.set(type.family, members);
  }
  const aliased = new Set(canonicalOf.values());
  const byName = new Map<string, SupportedType>();
  const byFamily = new Map<string, SupportedFamily>();
  for (const [family, members] of families) {
    const resolved = inferNewestCodename(members);
    for (const supported of resolved) {
      byName.set(supported.type.machine, supported);
    }
    byFamily.set(family, summarise(resolved, aliased));
  }
  return { byName, canonicalOf, byFamily };
}

/** Only Ubuntu's QEMU has the alias `ubuntu` and types with codenames of Ubuntu. */
function isUbuntusList(canonicalOf: ReadonlyMap<string, string>, names: Iterable<string>): boolean {
  if (canonicalOf.has('ubuntu') || canonicalOf.has('ubuntu-q35')) return true;
  for (const name of names) if (parseMachineType(name).vendor === 'ubuntu') return true;
  return false;
}

/**
 * How many versioned types of each family are supported; aliases do not count. A family has both statuses, and `unknown`
 * instead of them, or beside them, where there are such types.
 */
export function countSupported(
  supported: SupportedMachines,
  statusOf: (supported: SupportedType) => SupportStatus = ({ deprecated }) =>
    deprecated ? 'deprecated' : 'current',
): SupportedCount[] {
  const counts = new Map<string, Record<SupportStatus, number>>();
  for (const each of supported.byName.values()) {
    const { vendor, family } = each.type;
    if (vendor === 'unversioned') continue;
    const count = counts.get(family) ?? { current: 0, deprecated: 0, unknown: 0 };
    count[statusOf(each)] += 1;
    counts.set(family, count);
  }
  return [...counts.keys()].sort().flatMap((family) => {
    const count = counts.get(family) ?? { current: 0, deprecated: 0, unknown: 0 };
    const isAllUnknown = count.current + count.deprecated === 0;
    return SUPPORT_STATUSES.filter((status) =>
      status === 'unknown' ? count.unknown > 0 : !isAllUnknown,
    ).map((status) => ({ family, status, count: count[status] }));
  });
}

/** Negative, 0 or positive as `a` is older than, the same as, or newer than `b`; both of one vendor. */
export function compareVendorVersions(a: VendorVersion, b: VendorVersion): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}

function summarise(members: readonly SupportedType[], aliased: ReadonlySet<string>): SupportedFamily {
  const newest = new Map<string, SupportedType>();
  let newestByRelease: SupportedType | undefined;
  const versions = new Map<string, Map<string, VendorVersion>>();
  for (const member of members) {
    const { vendor, version, vendorVersion } = member.type;
    if (vendor === 'unversioned') {
      continue;
    }
    newest.set(vendor, newer(newest.get(vendor), member, aliased));
    if (vendorVersion !== undefined) {
      const ofVendor = versions.get(vendor) ?? new Map<string, VendorVersion>();
      versions.set(vendor, ofVendor.set(version, vendorVersion));
    } else if (member.release !== undefined) {
      newestByRelease = newer(newestByRelease, member, aliased);
    }
  }
  const vendorVersions = new Map([...versions].map(([vendor, of]) => [vendor, [...of.values()]]));
  return { newest, newestByRelease, vendorVersions };
}

/**
 * The table of codenames is as old as this program, so an unknown codename is newer than all known ones. The last
 * unknown codename in the alphabet (Ubuntu's order) is the host's own Ubuntu release, whose types stand for the host's
 * QEMU: the newest upstream release of the family. Other unknown codenames stay without a release.
 */
function inferNewestCodename(members: readonly SupportedType[]): readonly SupportedType[] {
  const newestUpstream = members
    .filter((member) => member.type.vendor === 'upstream')
    .reduce<SupportedType | undefined>((best, member) => newer(best, member, new Set()), undefined)?.release;
  const unknown = members.filter((m) => m.type.vendor === 'ubuntu' && m.release === undefined).map(codename);
  const newest = unknown.sort().at(-1);
  if (newest === undefined || newestUpstream === undefined) {
    return members;
  }
  return members.map((member) =>
    member.type.vendor === 'ubuntu' && member.release === undefined && codename(member) === newest
      ? { ...member, release: newestUpstream }
      : member,
  );
}

function codename({ type }: SupportedType): string {
  const rest = type.machine.slice(type.family.length + 1);
  return type.suffix === '' ? rest : rest.slice(0, -(type.suffix.length + 1));
}

function newer(
  best: SupportedType | undefined,
  other: SupportedType,
  aliased: ReadonlySet<string>,
): SupportedType {
  return best !== undefined && compareSupported(best, other, aliased) >= 0 ? best : other;
}

/** By version; among equals the target of an alias, then the plain name, then the last revision (noble-v2). */
function compareSupported(a: SupportedType, b: SupportedType, aliased: ReadonlySet<string>): number {
  return (
    compareVersions(a, b) ||
    Number(aliased.has(a.type.machine)) - Number(aliased.has(b.type.machine)) ||
    variants(b) - variants(a) ||
    revision(a) - revision(b) ||
    (a.type.machine < b.type.machine ? 1 : -1)
  );
}

function compareVersions(a: SupportedType, b: SupportedType): number {
  if (a.type.vendorVersion !== undefined && b.type.vendorVersion !== undefined) {
    return compareVendorVersions(a.type.vendorVersion, b.type.vendorVersion);
  }
  return ordinal(a) - ordinal(b) || a.type.point - b.type.point;
}

function ordinal({ release }: SupportedType): number {
  return release === undefined ? -1 : releaseOrdinal(release);
}

/** Number of suffix words that make the type a variant, such as `hpb`; a revision such as `v2` does not count. */
function variants({ type }: SupportedType): number {
  return type.suffix.split('-').filter((word) => word !== '' && !/^v\d+$/.test(word)).length;
}

function revision({ type }: SupportedType): number {
  return Number(/(?:^|-)v(\d+)$/.exec(type.suffix)?.[1] ?? 0);
}
