import type { TypedParam, TypedValue } from '../libvirt/types.ts';

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

const NO_FIELDS: StatsFields = new Map();
const NO_IMAGES: ReadonlyMap<string, DiskImage[]> = new Map<string, DiskImage[]>();
const NO_ITEMS: ReadonlyMap<never, StatsFields> = new Map<never, StatsFields>();

/**
 * Sorts the fields of one domain by their subject: `balloon.rss`, `vcpu.current`, `vcpu.0.time`, `block.1.rd.reqs`. Of two of
 * one name the last stays.
 */
export function parseDomainStats(params: Iterable<TypedParam>): DomainStats {
  const [balloon, vcpuCounts] = [new Fields(), new Fields()];
  const [vcpus, blocks, interfaces] = [new Items(), new Items(), new Items()];
  for (const [name, value] of params) {
    if (name.startsWith('block.')) blocks.add(name, 'block.'.length, value);
    else if (name.startsWith('balloon.')) balloon.set(name.slice('balloon.'.length), value);
    else if (name.startsWith('net.')) interfaces.add(name, 'net.'.length, value);
    else if (name.startsWith('vcpu.') && !vcpus.add(name, 'vcpu.'.length, value))
      vcpuCounts.set(name.slice('vcpu.'.length), value);
  }
  leaveOutMoreThan(balloon.byName, 'available', ['unused', 'usable', 'disk_caches']);
  return {
    balloon: balloon.byName ?? NO_FIELDS,
    vcpuCounts: vcpuCounts.byName ?? NO_FIELDS,
    vcpus: vcpus.byNumber(),
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
function leaveOutMoreThan(
  fields: Map<string, number> | undefined,
  whole: string,
  parts: readonly string[],
): void {
  const all = fields?.get(whole);
  if (fields === undefined || all === undefined) return;
  for (const part of parts) if ((fields.get(part) ?? 0) > all) fields.delete(part);
}

/** Fields of one thing. The map is made with the first field: most calls return fields of few subjects. */
class Fields {
  byName: Map<string, number> | undefined;

  set(field: string, value: TypedValue): void {
    if (typeof value === 'string') return;
    // Prometheus stores floating point: beyond 2^53 a byte more or less is lost knowingly.
    const number = Number(value);
    if (!(number >= 0 && number < NOT_REAL)) return;
    this.byName ??= new Map();
    this.byName.set(field, number);
  }
}

interface Item {
  name: string;
  /** Of a disk's image. */
  path: string | undefined;
  readonly fields: Fields;
}

class Items {
  #items: Map<number, Item> | undefined;

  /** Adds a field whose name has the item's number at `start`; returns false when there is none. */
  add(name: string, start: number, value: TypedValue): boolean {
    let at = start;
    let index = 0;
    for (let digit = digitAt(name, at); digit >= 0; digit = digitAt(name, at)) {
      index = 10 * index + digit;
      at += 1;
    }
    if (at === start || name[at] !== '.') return false;
    const item = this.#item(index);
    const field = name.slice(at + 1);
    if (item === undefined) return true;
    if (field === 'name') item.name = String(value);
    else if (field === 'path') item.path = String(value);
    else item.fields.set(field, value);
    return true;
  }

  byNumber(): ReadonlyMap<number, StatsFields> {
    if (this.#items === undefined) return NO_ITEMS;
    const fields = new Map<number, StatsFields>();
    for (const [index, item] of this.#items) fields.set(index, item.fields.byName ?? NO_FIELDS);
    return fields;
  }

  /** Two of one name would repeat series, which spoils a whole scrape: the first stays. */
  byName(): ReadonlyMap<string, StatsFields> {
    if (this.#items === undefined) return NO_ITEMS;
    const named = new Map<string, StatsFields>();
    for (const { name, fields } of this.#items.values())
      if (name !== '' && !named.has(name)) named.set(name, fields.byName ?? NO_FIELDS);
    return named;
  }

  /** libvirt repeats the disk's name for each of its images. */
  images(): ReadonlyMap<string, DiskImage[]> {
    if (this.#items === undefined) return NO_IMAGES;
    const named = new Map<string, DiskImage[]>();
    for (const { name, path, fields } of this.#items.values()) {
      if (name === '') continue;
      const images = named.get(name) ?? [];
      images.push({ path, index: fields.byName?.get('backingIndex') });
      named.set(name, images);
    }
    return named;
  }

  #item(index: number): Item | undefined {
    const known = this.#items?.get(index);
    if (known !== undefined) return known;
    this.#items ??= new Map();
    if (this.#items.size >= MAX_ITEMS) return undefined;
    const item = { name: '', path: undefined, fields: new Fields() };
    this.#items.set(index, item);
    return item;
  }
}

/** The digit at this position, -1 when there is none. */
function digitAt(text: string, at: number): number {
  const digit = text.charCodeAt(at) - 0x30;
  return digit >= 0 && digit <= 9 ? digit : -1;
}
