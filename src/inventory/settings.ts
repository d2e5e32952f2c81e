import type { XmlElement } from './xml.ts';

/** More settings of one device are left out; libvirt has fewer. */
const MAX_SETTINGS = 512;
/** Elements by which libvirt names and connects the device of a run, or which differ in each run. */
const OF_THE_RUN: ReadonlySet<string> = new Set(['alias', 'address', 'seclabel']);

/** Flattens a device's element. `bounded` cuts long strings and makes empty ones undefined. */
export function settingsOf(
  device: XmlElement,
  bounded: (text: string | undefined) => string | undefined,
): Map<string, string> {
  const settings = new Map<string, string>();
  const add = (path: string, value: string): void => {
    if (settings.size < MAX_SETTINGS) settings.set(path, bounded(value) ?? '');
  };
  const walk = (element: XmlElement, path: string): void => {
    for (const [name, value] of element.attributes) add(`${path}@${name}`, value);
    const { text } = element;
    const isEmpty = element.attributes.size === 0 && element.children.length === 0;
    if (text !== '' || (isEmpty && path !== '')) add(path.slice(0, -1), text);
    const counts = new Map<string, number>();
    for (const each of element.children) {
      if (path === '' && OF_THE_RUN.has(each.localName)) continue;
      const number = (counts.get(each.localName) ?? 0) + 1;
      counts.set(each.localName, number);
      walk(each, `${path}${each.localName}${number === 1 ? '' : `#${number}`}/`);
    }
  };
  walk(device, '');
  return settings;
}
