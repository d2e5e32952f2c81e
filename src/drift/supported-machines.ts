import { type MachineType, parseMachineType, type RhelVersion } from './machine-type.ts';
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
  /** Newest among the types of upstream, Ubuntu and Proxmox, which all stand for a QEMU release. */
  readonly newestByRelease: SupportedType | undefined;
  /** The distinct RHEL versions supported. */
  readonly rhelVersions: readonly RhelVersion[];
}

/** The machine types that one emulator supports, indexed once for all its domains. */
export interface SupportedMachines {
  readonly byName: ReadonlyMap<string, SupportedType>;
  /** From alias to canonical name. */
  readonly canonicalOf: ReadonlyMap<string, string>;
  readonly byFamily: ReadonlyMap<string, SupportedFamily>;
}

interface SupportedCount {
  readonly family: string;
  readonly status: 'current' | 'deprecated';
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
  for (const [name, deprecated] of deprecatedOf) {
    const type = parseMachineType(name);
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

/**
 * How many versioned types of each family are supported, both statuses of each; aliases do not count. A type is
 * deprecated by the emulator's own mark (which libvirt before 8.0 does not pass on) or by `isDeprecated`.
 */
export function countSupported(
  supported: SupportedMachines,
  isDeprecated: (type: MachineType) => boolean = () => false,
): SupportedCount[] {
  const deprecated = new Map<string, number>();
  const current = new Map<string, number>();
  for (const { type, deprecated: marked } of supported.byName.values()) {
    if (type.vendor !== 'unversioned') {
      const counts = marked || isDeprecated(type) ? deprecated : current;
      counts.set(type.family, (counts.get(type.family) ?? 0) + 1);
    }
  }
  const families = [...new Set([...current.keys(), ...deprecated.keys()])].sort();
  return families.flatMap((family) => [
    { family, status: 'current', count: current.get(family) ?? 0 },
    { family, status: 'deprecated', count: deprecated.get(family) ?? 0 },
  ]);
}

/** Negative, 0 or positive as `a` is older than, the same as, or newer than `b`. */
export function compareRhel(a: RhelVersion, b: RhelVersion): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}

function summarise(members: readonly SupportedType[], aliased: ReadonlySet<string>): SupportedFamily {
  const newest = new Map<string, SupportedType>();
  let newestByRelease: SupportedType | undefined;
  const rhel = new Map<string, RhelVersion>();
  for (const member of members) {
    const { vendor, version, rhel: rhelVersion } = member.type;
    if (vendor === 'unversioned') {
      continue;
    }
    newest.set(vendor, newer(newest.get(vendor), member, aliased));
    if (rhelVersion !== undefined) {
      rhel.set(version, rhelVersion);
    } else {
      newestByRelease = newer(newestByRelease, member, aliased);
    }
  }
  return { newest, newestByRelease, rhelVersions: [...rhel.values()] };
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
  if (a.type.rhel !== undefined && b.type.rhel !== undefined) {
    return compareRhel(a.type.rhel, b.type.rhel);
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
