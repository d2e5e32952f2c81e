import type { GuestOs } from '../guest/guest-sample.ts';
import { parseOsId } from './declared-os.ts';
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
const FEDORA = 'fedoraproject.org/fedora';

/**
 * The libosinfo id of the system that a guest reports, `http://ubuntu.com/ubuntu/20.04`; `undefined` when osinfo-db
 * has no id for that system.
 *
 * A guest cannot invent an id: the result is one that `isKnown` accepts, or the declared one (which may be newer than
 * osinfo-db), or the `-unknown` id of the declared major release. The release is the nearest that osinfo-db has: the
 * exact version, else a shorter one (Rocky Linux 9.4 is `rocky/9`), else `9-unknown` or `unknown` of the distribution.
 */
export function detectOs(
  os: GuestOs,
  isKnown: (osinfoId: string) => boolean,
  declared?: string,
): string | undefined {
  const release = normalise(os);
  const alsoKnown = declared === undefined ? [] : [declared, unknownMinorOf(declared)];
  return candidates(os, release)
    .map((path) => `http://${path}`)
    .find((id) => alsoKnown.includes(id) || isKnown(id));
}

/** `rhel/11-unknown` for `rhel/11.2`: osinfo-db's name for a minor release that it does not list. */
function unknownMinorOf(declared: string): string | undefined {
  const { vendorDomain, distro, major, minor } = parseOsId(declared);
  return minor === '' ? undefined : `http://${vendorDomain}/${distro}/${major}-unknown`;
}

function candidates(os: GuestOs, release: OsRelease): readonly string[] {
  if (release.id === 'mswindows') {
    const version = windowsVersion(os);
    return version === undefined ? [] : [`microsoft.com/win/${version}`];
  }
  return special(release) ?? generic(release);
}

function generic({ id, versionId }: OsRelease): readonly string[] {
  const rolling = OSINFO_ROLLING.get(id);
  if (rolling !== undefined) {
    return [rolling];
  }
  const base = OSINFO_BASES.get(id);
  return base === undefined ? [] : releasesOf(base, versionId);
}

/** `.0` is tried for the whole version only: FreeBSD 13.9 must not become 13.0. */
function releasesOf(base: string, versionId: string): readonly string[] {
  if (versionId === '') {
    return [`${base}/unknown`];
  }
  const parts = versionId.split('.');
  const shorter = parts.map((_, index) => parts.slice(0, parts.length - index).join('.'));
  return [...shorter, `${versionId}.0`, `${parts[0]}-unknown`, 'unknown'].map(
    (version) => `${base}/${version}`,
  );
}

/** The candidates of distributions that need a rule of their own; `undefined` for all others. */
function special(release: OsRelease): readonly string[] | undefined {
  const { id, name, prettyName, versionId, variantId } = release;
  switch (id) {
    case 'almalinux':
      return releasesOf(`almalinux.org/almalinux${name.includes('kitten') ? '-kitten' : ''}`, versionId);
    case 'alpine':
      // Alpine edge has no entry, and its version is that of the release to come: 3.22.0_alpha20250108.
      return versionId.includes('_') || prettyName.endsWith(' edge') ? [] : undefined;
    case 'altlinux':
      return altLinux(release);
    case 'centos':
      return releasesOf(`centos.org/centos${name.includes('stream') ? '-stream' : ''}`, versionId);
    case 'debian':
      // Testing and unstable both write "forky/sid" and no VERSION_ID; evaluateOsDrift treats them as one.
      return versionId === '' ? ['debian.org/debian/testing', 'debian.org/debian/unstable'] : undefined;
    case 'eln':
      return [`${FEDORA}/eln`];
    case 'fedora':
      return fedora(release);
    case 'opensuse':
      return name.includes('tumbleweed') ? ['opensuse.org/opensuse/tumbleweed'] : undefined;
    case 'rhel':
      return variantId.startsWith('atomic')
        ? [...releasesOf('redhat.com/rhel-atomic', versionId), ...generic(release)]
        : undefined;
    case 'slackware':
      return prettyName.includes('-current') ? ['slackware.com/slackware/current'] : undefined;
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

function altLinux({ name, versionId }: OsRelease): readonly string[] | undefined {
  if (name.includes('sisyphus')) {
    return ['altlinux.org/alt/sisyphus'];
  }
  return name.includes('starter') ? [`altlinux.org/alt/p${versionId}.starterkits`] : undefined;
}

function fedora({ prettyName, version, versionId, variantId }: OsRelease): readonly string[] {
  const rawhide = [prettyName, version, versionId].some((text) => text.includes('rawhide'));
  const release = rawhide ? 'rawhide' : versionId;
  switch (variantId) {
    case 'coreos':
      return [`fedoraproject.org/coreos/${coreosStream(version)}`, ...releasesOf(FEDORA, release)];
    case 'eln':
      return [`${FEDORA}/eln`];
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
function suseEnterprise(product: 'sled' | 'sles', versionId: string): readonly string[] {
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
