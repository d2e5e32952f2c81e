import type { TypedValue } from '../libvirt/types.ts';

/** Values of one thing (a disk, an interface, a vCPU) by libvirt's field names, `rd.bytes` for example. */
export type StatsFields = ReadonlyMap<string, number>;

/** What GET_ALL_DOMAIN_STATS returned of one domain, in libvirt's units. */
export interface DomainStats {
  /** Fields of group balloon, `swap_in` for example. */
  readonly balloon: StatsFields;
  /** `current` and `maximum` number of vCPUs. */
  readonly vcpuCounts: StatsFields;
  /** By vCPU number; the numbers can have gaps. */
  readonly vcpus: ReadonlyMap<number, StatsFields>;
  /** By target name, `vda`. */
  readonly blocks: ReadonlyMap<string, StatsFields>;
  /** The images of each disk, by target name. */
  readonly images: ReadonlyMap<string, readonly DiskImage[]>;
  /** By the interface's name on the host; those without one have no statistics. */
  readonly interfaces: ReadonlyMap<string, StatsFields>;
}

/** An image that a disk uses: its own first, then the backing images, then the target of a copy or backup that runs. */
export interface DiskImage {
  /** Path of a file or device, or the name on a network; undefined when libvirt has none. */
  readonly path: string | undefined;
  /** libvirt's number of the image, as in `<source index=…>`. */
  readonly index: number | undefined;
}

/** More disks, interfaces or vCPUs of one domain than this are left out. */
const MAX_ITEMS = 4096;
/** What libvirt writes for "unknown" in an unsigned field is -1; nothing real comes near. */
const NOT_REAL = 2 ** 63;

/** Sorts the fields of one domain by their subject: `balloon.rss`, `vcpu.current`, `vcpu.0.time`, `block.1.rd.reqs`. */
export function parseDomainStats(params: ReadonlyMap<string, TypedValue>): DomainStats {
  const balloon = new Map<string, number>();
  const vcpuCounts = new Map<string, number>();
  const [vcpus, blocks, interfaces] = [new Items(), new Items(), new Items()];
  params.forEach((value, name) => {
    if (name.startsWith('balloon.')) set(balloon, name.slice('balloon.'.length), value);
    else if (name.startsWith('block.')) blocks.add(name, 'block.'.length, value);
    else if (name.startsWith('net.')) interfaces.add(name, 'net.'.length, value);
    else if (name.startsWith('vcpu.') && !vcpus.add(name, 'vcpu.'.length, value))
      set(vcpuCounts, name.slice('vcpu.'.length), value);
  });
  leaveOutMoreThan(balloon, 'available', ['unused', 'usable', 'disk_caches']);
  return {
    balloon,
    vcpuCounts,
    vcpus: vcpus.byNumber,
    blocks: blocks.byName(),
    images: blocks.images(),
    interfaces: interfaces.byName(),
  };
}

/**
 * Whether libvirt got QEMU's answer. Of a domain whose job lock is held libvirt returns only the fields that need no monitor:
 * without `balloon.rss`, and disks without counts. (An empty drive has no counts either: of a domain with no other disks only
 * the balloon shows whether QEMU answered.)
 */
export function isComplete({ balloon, vcpuCounts, vcpus, blocks }: DomainStats): boolean {
  if (balloon.size > 0) return balloon.has('rss');
  if (vcpuCounts.size > 0 && vcpus.size === 0) return false;
  return blocks.size === 0 || [...blocks.values()].some((fields) => fields.has('rd.reqs'));
}

/** The guest's driver reports parts of its memory, and these cannot be more than all of it. */
function leaveOutMoreThan(fields: Map<string, number>, whole: string, parts: readonly string[]): void {
  const all = fields.get(whole);
  if (all === undefined) return;
  for (const part of parts) if ((fields.get(part) ?? 0) > all) fields.delete(part);
}

class Items {
  readonly byNumber = new Map<number, Map<string, number>>();
  readonly #names = new Map<number, string>();
  readonly #paths = new Map<number, string>();

  /** Adds a field whose name has the item's number at `start`; returns false when there is none. */
  add(name: string, start: number, value: TypedValue): boolean {
    let at = start;
    let index = 0;
    for (let digit = digitAt(name, at); digit >= 0; digit = digitAt(name, at)) {
      index = 10 * index + digit;
      at += 1;
    }
    if (at === start || name[at] !== '.') return false;
    const field = name.slice(at + 1);
    let fields = this.byNumber.get(index);
    if (fields === undefined) {
      if (this.byNumber.size >= MAX_ITEMS) return true;
      fields = new Map();
      this.byNumber.set(index, fields);
    }
    if (field === 'name') this.#names.set(index, String(value));
    else if (field === 'path') this.#paths.set(index, String(value));
    else set(fields, field, value);
    return true;
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

  /** libvirt repeats the disk's name for each of its images. */
  images(): Map<string, DiskImage[]> {
    const named = new Map<string, DiskImage[]>();
    for (const [index, fields] of this.byNumber) {
      const name = this.#names.get(index);
      if (name === undefined || name === '') continue;
      const images = named.get(name) ?? [];
      images.push({ path: this.#paths.get(index), index: fields.get('backingIndex') });
      named.set(name, images);
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

/** The digit at this position, -1 when there is none. */
function digitAt(text: string, at: number): number {
  const digit = text.charCodeAt(at) - 0x30;
  return digit >= 0 && digit <= 9 ? digit : -1;
}
