import type { TypedValue } from '../libvirt/types.ts';

/** Values of one thing (a disk, an interface, a vCPU) by libvirt's field names, `rd.bytes` for example. */
export type StatsFields = ReadonlyMap<string, number>;

/** What GET_ALL_DOMAIN_STATS told of one domain, in libvirt's units. */
export interface DomainStats {
  /** Fields of group balloon, `swap_in` for example. */
  readonly balloon: StatsFields;
  /** `current` and `maximum` number of vCPUs. */
  readonly vcpuCounts: StatsFields;
  /** By vCPU number; the numbers can have gaps. */
  readonly vcpus: ReadonlyMap<number, StatsFields>;
  /** By target name, `vda`. */
  readonly blocks: ReadonlyMap<string, StatsFields>;
  /** By the interface's name on the host; those without one have no statistics. */
  readonly interfaces: ReadonlyMap<string, StatsFields>;
}

/** More disks, interfaces or vCPUs of one domain than this are left out. */
const MAX_ITEMS = 4096;
/** What libvirt writes for "unknown" in an unsigned field is -1; nothing real comes near. */
const NOT_REAL = 2 ** 63;

const COUNTED_GROUPS: ReadonlySet<string> = new Set(['vcpu', 'block', 'net']);

/** Sorts the fields of one domain by what they are about. */
export function parseDomainStats(params: ReadonlyMap<string, TypedValue>): DomainStats {
  const balloon = new Map<string, number>();
  const vcpuCounts = new Map<string, number>();
  const items = { vcpu: new Items(), block: new Items(), net: new Items() };
  for (const [name, value] of params) {
    const [group, rest] = splitOnce(name);
    if (group === 'balloon') {
      set(balloon, rest, value);
    } else if (COUNTED_GROUPS.has(group)) {
      const [index, field] = splitOnce(rest);
      if (/^\d+$/.test(index)) items[group as keyof typeof items].set(Number(index), field, value);
      else if (group === 'vcpu') set(vcpuCounts, rest, value);
    }
  }
  return {
    balloon,
    vcpuCounts,
    vcpus: items.vcpu.byNumber,
    blocks: items.block.byName(),
    interfaces: items.net.byName(),
  };
}

/**
 * Whether libvirt could ask QEMU. A domain that is busy, or whose monitor does not answer, is told with the fields
 * that need no monitor: without `balloon.rss`, and disks without counts. (An empty drive has no counts either: of a
 * domain with no other disks only the balloon tells.)
 */
export function isComplete({ balloon, vcpuCounts, vcpus, blocks }: DomainStats): boolean {
  if (balloon.size > 0) return balloon.has('rss');
  if (vcpuCounts.size > 0 && vcpus.size === 0) return false;
  return blocks.size === 0 || [...blocks.values()].some((fields) => fields.has('rd.reqs'));
}

class Items {
  readonly byNumber = new Map<number, Map<string, number>>();
  readonly #names = new Map<number, string>();

  set(index: number, field: string, value: TypedValue): void {
    let fields = this.byNumber.get(index);
    if (fields === undefined) {
      if (this.byNumber.size >= MAX_ITEMS) return;
      fields = new Map();
      this.byNumber.set(index, fields);
    }
    if (field === 'name') this.#names.set(index, String(value));
    else set(fields, field, value);
  }

  /** Two of one name would repeat series, which spoils a whole scrape: the first stays. */
  byName(): Map<string, StatsFields> {
    const named = new Map<string, StatsFields>();
    for (const [index, fields] of this.byNumber) {
      const name = this.#names.get(index);
      if (name !== undefined && name !== '' && !named.has(name)) named.set(name, fields);
    }
    return named;
  }
}

function set(fields: Map<string, number>, field: string, value: TypedValue): void {
  if (typeof value === 'string') return;
  // Prometheus stores floating point: beyond 2^53 a byte more or less is lost knowingly.
  const number = Number(value);
  if (number >= 0 && number < NOT_REAL) fields.set(field, number);
}

function splitOnce(name: string): [string, string] {
  const dot = name.indexOf('.');
  return dot < 0 ? [name, ''] : [name.slice(0, dot), name.slice(dot + 1)];
}
