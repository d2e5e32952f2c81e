/** The parts of a libosinfo id: `http://VENDOR-DOMAIN/DISTRO/VERSION`. Missing parts are `''`. */
export interface OsId {
  /** `ubuntu.com`. */
  readonly vendorDomain: string;
  /** `ubuntu`, `centos-stream`, `silverblue`. */
  readonly distro: string;
  /** `20.04`, `8-unknown`, `rolling`. */
  readonly version: string;
  /** The part that names a major release: `9` of rhel/9.4, `20.04` of ubuntu, `2k16` of win; `''` when rolling. */
  readonly major: string;
  /** The rest of the numbers: `4` of rhel/9.4, `''` when there is none. */
  readonly minor: string;
  /** The id names a kind of system, not a release: `…/8-unknown`, `…/unknown`, `linux/2022`. */
  readonly unknown: boolean;
  /** The id names a system without releases, or a moving branch: `rolling`, `testing`, `rawhide`. */
  readonly rolling: boolean;
}

const MAX_ID_LENGTH = 256;

// Distributions that ship two releases a year, or otherwise number a release with two parts.
const TWO_PART_DISTROS: ReadonlySet<string> = new Set(['alpine', 'alpinelinux', 'nixos', 'popos', 'ubuntu']);
const ROLLING_VERSIONS: ReadonlySet<string> = new Set([
  'current',
  'edge',
  'eln',
  'factory',
  'hurd-latest',
  'latest',
  'microos',
  'next',
  'nightly',
  'rawhide',
  'rolling',
  'sid',
  'sisyphus',
  'stable',
  'testing',
  'tumbleweed',
  'unstable',
]);

const NUMBERS = /^\d{1,8}(?:\.\d{1,8}){0,7}(?=$|-)/;

/**
 * Splits a libosinfo id into its parts; never throws. For any other text every part is `''`.
 *
 * The last part of the path is the version, the one before it the distribution: every id in osinfo-db but
 * `http://libosinfo.org/unknown` has just these two.
 */
export function parseOsId(uri: string): OsId {
  const [vendorDomain = '', ...path] = pathOf(uri);
  const version = path.length < 2 ? '' : (path.at(-1) ?? '');
  const distro = path.length < 2 ? (path[0] ?? '') : path.slice(0, -1).join('/');
  const { major, minor } = splitVersion(distro, version);
  return {
    vendorDomain,
    distro,
    version,
    major,
    minor,
    unknown: isUnknown(vendorDomain, distro, version),
    rolling: ROLLING_VERSIONS.has(version),
  };
}

function pathOf(uri: string): string[] {
  const match = uri.length > MAX_ID_LENGTH ? null : /^https?:\/\/([^/\s]+)\/(\S+)$/.exec(uri);
  return match === null ? [] : [match[1] ?? '', ...(match[2] ?? '').split('/').filter((part) => part !== '')];
}

function isUnknown(vendorDomain: string, distro: string, version: string): boolean {
  return (
    /(?:^|-)unknown$/.test(version) ||
    (distro === 'unknown' && version === '') ||
    // libosinfo's generic entries: linux/2016 … linux/2024.
    (vendorDomain === 'libosinfo.org' && distro === 'linux')
  );
}

function splitVersion(distro: string, version: string): { major: string; minor: string } {
  const numbers = NUMBERS.exec(version)?.[0].split('.');
  if (numbers === undefined) {
    const named = !ROLLING_VERSIONS.has(version) && version !== 'unknown';
    return { major: named ? version : '', minor: '' };
  }
  const parts = majorParts(distro, numbers[0] ?? '');
  return { major: numbers.slice(0, parts).join('.'), minor: numbers.slice(parts).join('.') };
}

function majorParts(distro: string, first: string): number {
  // openSUSE 42.x were releases of their own; before and after, the first number names one.
  if (distro === 'opensuse' && first === '42') return 2;
  // CirrOS is still at 0.x.
  return TWO_PART_DISTROS.has(distro) || first === '0' ? 2 : 1;
}
