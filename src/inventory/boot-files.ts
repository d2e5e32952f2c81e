import { attribute, child, type XmlElement } from './xml.ts';

/** The firmware files that a domain's configuration names. */
export interface BootFiles {
  /** Path in `<loader>`. */
  readonly loader: string | undefined;
  /** Path of the domain's own variable store, which libvirt makes from the template when the file does not exist. */
  readonly nvram: string | undefined;
  readonly nvramTemplate: string | undefined;
  /** libvirt chooses the firmware at start (`<os firmware=…>`), as far as no path is written. */
  readonly isAutomatic: boolean;
}

/** Reads a domain's `<os>`. Only absolute paths count: QEMU looks for others in directories of its own. */
export function parseBootFiles(os: XmlElement | undefined): BootFiles {
  const nvram = child(os, 'nvram');
  // A variable store that QEMU keeps in a JSON file; newer releases of libvirt.
  const store = child(os, 'varstore');
  return {
    loader: absolute(child(os, 'loader')?.text),
    nvram:
      absolute(nvram?.text) ??
      absolute(attribute(child(nvram, 'source'), 'file')) ??
      absolute(attribute(store, 'path')),
    nvramTemplate: absolute(attribute(nvram, 'template')) ?? absolute(attribute(store, 'template')),
    isAutomatic: attribute(os, 'firmware') !== undefined,
  };
}

/** PATH_MAX. */
const MAX_PATH = 4096;

function absolute(path: string | undefined): string | undefined {
  return path?.startsWith('/') && path.length < MAX_PATH ? path : undefined;
}
