import type { GuestOs } from '../guest/guest-sample.ts';
import { OSINFO_BASES, OSINFO_ROLLING } from './os-bases.ts';
import { windowsVersion } from './os-windows.ts';

/** os-release of a guest, lower case; `''` for values that are absent or too long to be true. */
interface OsRelease {
  readonly id: string;
  readonly name: string;
  readonly prettyName: string;
  readonly version: string;
  /** `''` also for text that cannot be part of an osinfo id. */
  readonly versionId: string;
  readonly variantId: string;
}

const MAX_TEXT_LENGTH = 128;
const VERSION_ID = /^[0-9a-z][0-9a-z._-]{0,31}$/;
/** The number of a release; a date, such as a rolling distribution writes, is none. */
const RELEASE_NUMBER = /^\d{1,4}(?:\.\d{1,4}){0,3}$/;
/** CentOS Linux ended with release 8. What came after it is CentOS Stream. */
const LAST_CENTOS_LINUX = 8;
const FEDORA = 'fedoraproject.org/fedora';

/** A path of an osinfo id, without `http://`. */
interface Candidate {
  readonly path: string;
  /** ID and VERSION_ID name this release, whether osinfo-db lists it or not. */
  readonly isCertain: boolean;
}

/**
 * The libosinfo id of the system that a guest reports, `http://ubuntu.com/ubuntu/20.04`; `undefined` when osinfo-db
 * has no id for that system.
 *
 * The release is the nearest that osinfo-db has: the exact version, else a shorter one (Rocky Linux 9.4 is `rocky/9`), else
 * `9-unknown`. A release that osinfo-db does not list yet gets the id that osinfo-db would give it, `debian/14`: a
 * distribution from the tables in this program, with a number from VERSION_ID. Without such a number the id is `unknown`
 * of the distribution. A guest cannot invent any other id.
 */
export function detectOs(
  os: GuestOs,
  isKnown: (osinfoId: string) => boolean,
  declared?: string,
): string | undefined {
  for (const { path, isCertain } of candidates(os, normalise(os))) {
    const id = `http://${path}`;
    if (isCertain || id === declared || isKnown(id)) return id;
  }
  return undefined;
}

/**
 * Whether the declared system may be the one that the guest reports: the guest names no system, or names the declared one
 * without a release. A reply of a system without os-release has the kernel alone, and `linux` is os-release's default
 * (os-release(5)).
 */
export function mayBeDeclared(os: GuestOs, declared: string): boolean {
  const release = normalise(os);
  if (release.id === '' || release.id === 'linux') return true;
  if (release.id === 'mswindows')
    return windowsVersion(os) === undefined && declared.startsWith('http://microsoft.com/win/');
  if (release.versionId !== '') return false;
  const declaredRelease = { ...release, versionId: declared.slice(declared.lastIndexOf('/') + 1) };
  return candidates(os, declaredRelease).some(({ path }) => `http://${path}` === declared);
}

function candidates(os: GuestOs, release: OsRelease): readonly Candidate[] {
  if (release.id === 'mswindows') {
    const version = windowsVersion(os);
    return version === undefined ? [] : [certain(`microsoft.com/win/${version}`)];
  }
  return special(release) ?? generic(release);
}

function generic({ id, versionId }: OsRelease): readonly Candidate[] {
  const rolling = OSINFO_ROLLING.get(id);
  if (rolling !== undefined) {
    return listed(rolling);
  }
  const base = OSINFO_BASES.get(id);
  return base === undefined ? [] : releasesOf(base, versionId);
}

function certain(path: string): Candidate {
  return { path, isCertain: true };
}

/** Paths that count only where osinfo-db lists them. */
function listed(...paths: readonly string[]): readonly Candidate[] {
  return paths.map((path) => ({ path, isCertain: false }));
}

/** `.0` is tried for the whole version only: FreeBSD 13.9 must not become 13.0. */
function releasesOf(base: string, versionId: string): readonly Candidate[] {
  if (versionId === '') {
    return listed(`${base}/unknown`);
  }
  const parts = versionId.split('.');
  const shorter = parts.map((_, index) => parts.slice(0, parts.length - index).join('.'));
  return [
    ...listed(
      ...[...shorter, `${versionId}.0`, `${parts[0]}-unknown`].map((version) => `${base}/${version}`),
    ),
    ...(RELEASE_NUMBER.test(versionId) ? [certain(`${base}/${versionId}`)] : []),
    ...listed(`${base}/unknown`),
  ];
}

/** The candidates of distributions that need a rule of their own; `undefined` for all others. */
function special(release: OsRelease): readonly Candidate[] | undefined {
  const { id, name, prettyName, version, versionId, variantId } = release;
  // A guest may send one of the two names alone.
  const names = `${name} ${prettyName}`;
  switch (id) {
    case 'almalinux':
      return releasesOf(`almalinux.org/almalinux${names.includes('kitten') ? '-kitten' : ''}`, versionId);
    case 'alpine':
      // Alpine edge has no entry, and its version is that of the release to come: 3.22.0_alpha20250108.
      return versionId.includes('_') || prettyName.endsWith(' edge') ? [] : undefined;
    case 'altlinux':
      return altLinux(release);
    case 'centos': {
      const isStream = names.includes('stream') || Number.parseInt(versionId, 10) > LAST_CENTOS_LINUX;
      return releasesOf(`centos.org/centos${isStream ? '-stream' : ''}`, versionId);
    }
    case 'debian':
      return versionId === '' ? debianBranch(`${prettyName} ${version}`) : undefined;
    case 'eln':
      return listed(`${FEDORA}/eln`);
    case 'fedora':
      return fedora(release);
    case 'opensuse':
      return names.includes('tumbleweed') ? listed('opensuse.org/opensuse/tumbleweed') : undefined;
    case 'rhel':
      return variantId.startsWith('atomic')
        ? [...listed(`redhat.com/rhel-atomic/${versionId}`), ...generic(release)]
        : undefined;
    case 'slackware':
      return prettyName.includes('-current') ? listed('slackware.com/slackware/current') : undefined;
    case 'sled':
      return suseEnterprise('sled', versionId);
    case 'sles':
    case 'sles_sap':
    case 'sle_hpc':
      return suseEnterprise('sles', versionId);
    default:
      return undefined;
  }
}

/** Testing and unstable both write "forky/sid"; evaluateOsDrift treats them as one. A release always writes VERSION_ID. */
function debianBranch(text: string): readonly Candidate[] {
  return /\/sid\b/.test(text) ? listed('debian.org/debian/testing', 'debian.org/debian/unstable') : [];
}

function altLinux({ name, versionId }: OsRelease): readonly Candidate[] | undefined {
  if (name.includes('sisyphus')) {
    return listed('altlinux.org/alt/sisyphus');
  }
  if (!name.includes('starter')) return undefined;
  const kit = `altlinux.org/alt/p${versionId}.starterkits`;
  return RELEASE_NUMBER.test(versionId) ? [certain(kit)] : listed(kit);
}

function fedora({ prettyName, version, versionId, variantId }: OsRelease): readonly Candidate[] {
  const rawhide = [prettyName, version, versionId].some((text) => text.includes('rawhide'));
  const release = rawhide ? 'rawhide' : versionId;
  switch (variantId) {
    case 'coreos':
      return [...listed(`fedoraproject.org/coreos/${coreosStream(version)}`), ...releasesOf(FEDORA, release)];
    case 'eln':
      return listed(`${FEDORA}/eln`);
    case 'silverblue':
      return releasesOf('fedoraproject.org/silverblue', release);
    default:
      return releasesOf(FEDORA, release);
  }
}

/**
 * Fedora CoreOS numbers its streams: 38.20230430.3.1 is of stream 3, stable; 2 and 20 are testing and its development,
 * 1 and 10 next (coreos/fedora-coreos-tracker, Design.md, which does not promise to keep the numbers). Any other number
 * counts as stable.
 */
function coreosStream(version: string): string {
  switch (/^\d{1,3}\.\d{8}\.(\d{1,3})\./.exec(version)?.[1]) {
    case '1':
    case '10':
      return 'next';
    case '2':
    case '20':
      return 'testing';
    default:
      return 'stable';
  }
}

/** osinfo-db has one id for servers and desktops of SUSE Linux Enterprise 15. */
function suseEnterprise(product: 'sled' | 'sles', versionId: string): readonly Candidate[] {
  return releasesOf(`suse.com/${versionId.split('.')[0] === '15' ? 'sle' : product}`, versionId);
}

function normalise(os: GuestOs): OsRelease {
  const versionId = text(os.versionId);
  return {
    id: text(os.id),
    name: text(os.name),
    prettyName: text(os.prettyName),
    version: text(os.version),
    versionId: VERSION_ID.test(versionId) ? versionId : '',
    variantId: text(os.variantId),
  };
}

function text(value: string | undefined): string {
  return value === undefined || value.length > MAX_TEXT_LENGTH ? '' : value.trim().toLowerCase();
}
