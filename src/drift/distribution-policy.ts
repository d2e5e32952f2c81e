import type { MachineType } from './machine-type.ts';
import { ubuntuRemovedIn } from './ubuntu-codenames.ts';

/**
 * First release of the distribution, `Ubuntu 27.10`, that by the distribution's own policy no longer has one of its machine
 * types; `''` when unknown. QEMU's policy does not cover these types.
 */
export function distributionRemovedIn(type: MachineType): string {
  switch (type.vendor) {
    case 'ubuntu': {
      const release = ubuntuRemovedIn(codename(type));
      return release === undefined ? '' : `Ubuntu ${release}`;
    }
    case 'rhel':
      return rhelRemovedIn(type);
    default:
      return '';
  }
}

/** The codename in `pc-q35-noble-v2`, and in `pc-i440fx-1.5-saucy`. */
function codename({ machine, suffix }: MachineType): string {
  const words = suffix === '' ? machine.split('-') : machine.slice(0, -suffix.length - 1).split('-');
  const last = words.at(-1) ?? '';
  return /^[a-z]+$/.test(last) ? last : (suffix.split('-')[0] ?? '');
}

const PC_FAMILIES: ReadonlySet<string> = new Set(['pc-i440fx', 'pc-q35']);

/** RHEL 10 has none of the PC types that RHEL 9 deprecated: rhel7.6.0 and rhel8.*. */
function rhelRemovedIn({ family, vendorVersion }: MachineType): string {
  const [major = 0, minor = 0] = vendorVersion ?? [];
  const isDeprecatedInRhel9 = major === 8 || (major === 7 && minor >= 6);
  return PC_FAMILIES.has(family) && isDeprecatedInRhel9 ? 'RHEL 10' : '';
}
