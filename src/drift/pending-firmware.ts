import type { Settings } from '../inventory/domain-config.ts';
import { settingsDiffer } from './compare-settings.ts';
import type { HardwarePair } from './pending-hardware.ts';
import type { IsSameFile } from './same-path.ts';

/** What an absent attribute means. */
const DEFAULTS: ReadonlySet<string> = new Set([
  'loader/@readonly no',
  'loader/@secure no',
  'loader/@type rom',
  'loader/@stateless no',
  'loader/@format raw',
  'nvram/@type file',
  'nvram/@format raw',
  'nvram/@templateFormat raw',
  'smbios/@mode emulate',
]);

const FILES: ReadonlySet<string> = new Set(['loader', 'nvram', 'nvram/@template']);

/**
 * Compares `<os firmware=…>`, `<loader>`, `<nvram>` and the firmware's features. With `firmware` and without a loader, libvirt
 * chooses the files: until 9.1 at start, and the running configuration then has the files and no `firmware`; later when the
 * domain is defined.
 */
export function firmwareDiffers({ live, persistent, atStart }: HardwarePair, isSame: IsSameFile): boolean {
  const [running, wanted] = [live.firmware, persistent.firmware];
  const kind = wanted.get('@firmware');
  const isChosenAtStart = kind !== undefined && !wanted.has('loader');
  if (isChosenAtStart ? !mayBeOfKind(running, kind) : !wanted.has('loader') && isChosen(running)) return true;
  return settingsDiffer(withoutKind(running), withoutKind(wanted), atStart?.firmware, {
    isDefault: (path, value) => DEFAULTS.has(`${path} ${value}`),
    isSame: (path, a, b) => FILES.has(path) && isSame(a, b),
  });
}

/** Whether the firmware is not QEMU's default, which is a BIOS on x86. */
function isChosen(firmware: Settings): boolean {
  return firmware.has('@firmware') || firmware.has('loader');
}

/** `kind`: `bios` or `efi`. A loader in a ROM can be either. */
function mayBeOfKind(firmware: Settings, kind: string): boolean {
  const written = firmware.get('@firmware');
  if (written !== undefined) return written === kind;
  if (!firmware.has('loader')) return false;
  return kind === 'efi' || firmware.get('loader/@type') !== 'pflash';
}

/** Which files run matters, not whether libvirt chose them. */
function withoutKind(firmware: Settings): Settings {
  const settings = new Map(firmware);
  settings.delete('@firmware');
  return settings;
}
