import type { QemuRelease } from './qemu-release.ts';

interface CodenameBase {
  /** Release that the types of this codename stand for, unless `except` has one for the family or suffix. */
  readonly base: string;
  /** Keyed by family (`pc-q35`) or family and suffix (`pc-i440fx-v2`). */
  readonly except?: Readonly<Record<string, string>>;
}

// From Ubuntu's machine-type patch in its package qemu 1:10.2.1+ds-1ubuntu3; from hirsute on confirmed by
// comparing `query-machines` compat-props with those of the upstream types in 1:11.0.3+ds-2ubuntu2. Of the
// types older than yakkety, which neither package has, the QEMU release that their Ubuntu shipped.
const CODENAMES: ReadonlyMap<string, CodenameBase> = new Map<string, CodenameBase>([
  ['precise', { base: '1.0' }],
  ['saucy', { base: '1.5' }],
  ['trusty', { base: '2.0' }],
  ['utopic', { base: '2.1' }],
  ['vivid', { base: '2.2' }],
  ['wily', { base: '2.3' }],
  ['xenial', { base: '2.5' }],
  ['yakkety', { base: '2.6' }],
  ['zesty', { base: '2.8' }],
  ['artful', { base: '2.10' }],
  ['bionic', { base: '2.11' }],
  ['cosmic', { base: '2.12' }],
  ['disco', { base: '3.1' }],
  ['eoan', { base: '4.0' }],
  ['focal', { base: '4.2', except: { 'pc-i440fx': '4.0' } }],
  ['groovy', { base: '5.0' }],
  ['hirsute', { base: '5.2', except: { 'pc-i440fx-hpb': '5.1' } }],
  ['impish', { base: '6.0' }],
  ['jammy', { base: '6.2' }],
  ['kinetic', { base: '7.0' }],
  ['lunar', { base: '7.2' }],
  ['mantic', { base: '8.0' }],
  ['noble', { base: '8.2' }],
  ['oracular', { base: '9.0' }],
  ['plucky', { base: '9.2', except: { 'pc-q35': '9.1' } }],
  ['questing', { base: '10.1', except: { 'pc-i440fx': '10.0', 'pc-i440fx-v2': '10.1' } }],
  ['resolute', { base: '10.2' }],
  ['stonking', { base: '11.0' }],
]);

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
