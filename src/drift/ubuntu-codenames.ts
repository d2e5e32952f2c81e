import type { QemuRelease } from './qemu-release.ts';

interface CodenameBase {
  /** Ubuntu's release. */
  readonly ubuntu: string;
  /** Release that the types of this codename stand for, unless `except` has one for the family or suffix. */
  readonly base: string;
  /** Keyed by family (`pc-q35`) or family and suffix (`pc-i440fx-v2`). */
  readonly except?: Readonly<Record<string, string>>;
}

// From Ubuntu's machine-type patch in its package qemu 1:10.2.1+ds-1ubuntu3; from hirsute on confirmed by
// comparing `query-machines` compat-props with those of the upstream types in 1:11.0.3+ds-2ubuntu2. Of the
// types older than yakkety, which neither package has, the QEMU release that their Ubuntu shipped.
const CODENAMES: ReadonlyMap<string, CodenameBase> = new Map<string, CodenameBase>([
  ['precise', { ubuntu: '12.04', base: '1.0' }],
  ['saucy', { ubuntu: '13.10', base: '1.5' }],
  ['trusty', { ubuntu: '14.04', base: '2.0' }],
  ['utopic', { ubuntu: '14.10', base: '2.1' }],
  ['vivid', { ubuntu: '15.04', base: '2.2' }],
  ['wily', { ubuntu: '15.10', base: '2.3' }],
  ['xenial', { ubuntu: '16.04', base: '2.5' }],
  ['yakkety', { ubuntu: '16.10', base: '2.6' }],
  ['zesty', { ubuntu: '17.04', base: '2.8' }],
  ['artful', { ubuntu: '17.10', base: '2.10' }],
  ['bionic', { ubuntu: '18.04', base: '2.11' }],
  ['cosmic', { ubuntu: '18.10', base: '2.12' }],
  ['disco', { ubuntu: '19.04', base: '3.1' }],
  ['eoan', { ubuntu: '19.10', base: '4.0' }],
  ['focal', { ubuntu: '20.04', base: '4.2', except: { 'pc-i440fx': '4.0' } }],
  ['groovy', { ubuntu: '20.10', base: '5.0' }],
  ['hirsute', { ubuntu: '21.04', base: '5.2', except: { 'pc-i440fx-hpb': '5.1' } }],
  ['impish', { ubuntu: '21.10', base: '6.0' }],
  ['jammy', { ubuntu: '22.04', base: '6.2' }],
  ['kinetic', { ubuntu: '22.10', base: '7.0' }],
  ['lunar', { ubuntu: '23.04', base: '7.2' }],
  ['mantic', { ubuntu: '23.10', base: '8.0' }],
  ['noble', { ubuntu: '24.04', base: '8.2' }],
  ['oracular', { ubuntu: '24.10', base: '9.0' }],
  ['plucky', { ubuntu: '25.04', base: '9.2', except: { 'pc-q35': '9.1' } }],
  ['questing', { ubuntu: '25.10', base: '10.1', except: { 'pc-i440fx': '10.0', 'pc-i440fx-v2': '10.1' } }],
  ['resolute', { ubuntu: '26.04', base: '10.2' }],
  ['stonking', { ubuntu: '26.10', base: '11.0' }],
]);

const LTS_YEARS = 5;

/**
 * The QEMU release on which Ubuntu's machine type of this family and codename is based, as written (`4.2`)
 * and parsed; `undefined` for a codename that the table does not know.
 *
 * @param suffix what follows the codename, without its dash: `v2`, `hpb`, `''`
 */
export function ubuntuBase(
  family: string,
  codename: string,
  suffix: string,
): { readonly version: string; readonly release: QemuRelease } | undefined {
  const entry = CODENAMES.get(codename);
  if (entry === undefined) {
    return undefined;
  }
  const version = entry.except?.[`${family}-${suffix}`] ?? entry.except?.[family] ?? entry.base;
  const [major = '', minor = ''] = version.split('.');
  return { version, release: { major: Number(major), minor: Number(minor) } };
}

/**
 * First Ubuntu release, `24.10`, that by Ubuntu's policy no longer has the types of a codename; `undefined` for a codename
 * that the table does not know. Ubuntu drops the types of an interim release after the next LTS, and those of an LTS when
 * its five years of support end (Ubuntu Server documentation, "QEMU machine types", 2026). Ubuntu's packages may keep a type
 * for longer.
 */
export function ubuntuRemovedIn(codename: string): string | undefined {
  const release = CODENAMES.get(codename)?.ubuntu;
  if (release === undefined) return undefined;
  const [year = 0, month = 0] = release.split('.').map(Number);
  const isLts = year % 2 === 0 && month === 4;
  // Support of an LTS ends some weeks after the release of April.
  const lastYear = isLts ? year + LTS_YEARS : year + 2 - (year % 2);
  return `${lastYear}.10`;
}
