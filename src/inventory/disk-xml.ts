import type { DiskConfig, DiskHost } from './domain-config.ts';
import { attribute, child, children, type XmlElement } from './xml.ts';

/** Parses one `<disk>`; undefined without a target. `bounded` cuts long strings and makes empty ones undefined. */
export function parseDisk(
  disk: XmlElement,
  bounded: (text: string | undefined) => string | undefined,
): DiskConfig | undefined {
  const targetElement = child(disk, 'target');
  const target = bounded(attribute(targetElement, 'dev'));
  if (target === undefined) return undefined;
  const driver = child(disk, 'driver');
  const source = child(disk, 'source');
  const type = bounded(attribute(disk, 'type')) ?? 'file';
  return {
    target,
    alias: bounded(attribute(child(disk, 'alias'), 'name')),
    device: bounded(attribute(disk, 'device')) ?? 'disk',
    type,
    source: bounded(sourceLine(type, source)),
    hosts: hostsOf(source),
    bus: bounded(attribute(targetElement, 'bus')),
    cache: chosen(bounded(attribute(driver, 'cache'))),
    io: chosen(bounded(attribute(driver, 'io'))),
    shareable: child(disk, 'shareable') !== undefined,
    optional: ['optional', 'requisite'].includes(attribute(source, 'startupPolicy') ?? ''),
    driver: bounded(attribute(driver, 'name')),
    format: bounded(attribute(driver, 'type')),
    discard: chosen(bounded(attribute(driver, 'discard'))),
    protocol: bounded(attribute(source, 'protocol')),
    serial: bounded(child(disk, 'serial')?.text),
    backingImages: backingImages(disk),
    ioTune: ioTune(child(disk, 'iotune')),
    throttleGroup: bounded(child(child(disk, 'iotune'), 'group_name')?.text),
  };
}

/** A running disk has a `<backingStore>` for each image under its own, one in the other; an empty one ends the chain. */
function backingImages(disk: XmlElement): number | undefined {
  let store = child(disk, 'backingStore');
  if (store === undefined) return undefined;
  let images = 0;
  for (; store !== undefined && attribute(store, 'type') !== undefined; store = child(store, 'backingStore'))
    images += 1;
  return images;
}

/** Most elements of `<iotune>` that are read; libvirt has fewer. */
const MAX_LIMITS = 64;

/** The limits of `<iotune>`. libvirt omits a limit that is not set, or writes 0. */
function ioTune(element: XmlElement | undefined): ReadonlyMap<string, number> {
  const limits = new Map<string, number>();
  for (const { localName, text } of element?.children.slice(0, MAX_LIMITS) ?? []) {
    const limit = Number(text);
    if (/^\d{1,16}$/.test(text) && limit > 0 && Number.isSafeInteger(limit)) limits.set(localName, limit);
  }
  return limits;
}

function chosen(value: string | undefined): string | undefined {
  return value === 'default' ? undefined : value;
}

/** The disk's source in one line, without the parts that libvirt adds at start: index, backing chain, default ports. */
function sourceLine(type: string, source: XmlElement | undefined): string | undefined {
  switch (type) {
    case 'file':
      return attribute(source, 'file');
    case 'block':
    case 'vhostvdpa':
      return attribute(source, 'dev');
    case 'dir':
      return attribute(source, 'dir');
    case 'volume':
      return joined('/', attribute(source, 'pool'), attribute(source, 'volume'));
    case 'network':
      return networkLine(source);
    case 'nvme':
      return nvmeLine(source);
    case 'vhostuser':
      return attribute(source, 'path');
    default:
      return undefined;
  }
}

function networkLine(source: XmlElement | undefined): string | undefined {
  const protocol = attribute(source, 'protocol');
  if (protocol === undefined) return undefined;
  const snapshot = attribute(child(source, 'snapshot'), 'name');
  const query = attribute(source, 'query');
  return `${protocol}:${attribute(source, 'name') ?? ''}${query === undefined ? '' : `?${query}`}${
    snapshot === undefined ? '' : `@${snapshot}`
  }`;
}

function nvmeLine(source: XmlElement | undefined): string | undefined {
  const address = child(source, 'address');
  if (address === undefined) return undefined;
  const position = ['domain', 'bus', 'slot', 'function'].map((part) => attribute(address, part) ?? '0x0');
  return `nvme:${position.join(':')}:${attribute(source, 'namespace') ?? ''}`;
}

function hostsOf(source: XmlElement | undefined): readonly DiskHost[] {
  return children(source, 'host').map((host) => ({
    name: attribute(host, 'name') ?? attribute(host, 'socket') ?? '',
    port: attribute(host, 'port'),
  }));
}

function joined(separator: string, ...parts: readonly (string | undefined)[]): string | undefined {
  return parts.some((part) => part === undefined) ? undefined : parts.join(separator);
}
