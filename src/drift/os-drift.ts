import { type OsId, parseOsId } from './declared-os.ts';

export const OS_DRIFT_STATES = [
  'match',
  'minor_differs',
  'major_differs',
  'distro_differs',
  'declared_missing',
  'declared_unknown',
  'agent_unavailable',
  'unmappable',
] as const;
export type OsDriftState = (typeof OS_DRIFT_STATES)[number];

/** `id`: osinfo's id of the running system; `unmappable`: the guest answered, but osinfo-db has no such system. */
export type DetectedOs =
  | { readonly kind: 'id'; readonly id: string }
  | { readonly kind: 'unmappable' }
  | { readonly kind: 'unavailable' };

interface OsDriftInput {
  /** The libosinfo id in the domain's metadata. */
  readonly declared: string | undefined;
  readonly detected: DetectedOs;
}

/**
 * Compares the system that a guest runs with the one that its domain declares.
 *
 * A fault of the declaration comes first: it can be seen without an agent, the owner can correct it, and the state
 * does not flap with the agent (which has metrics of its own). An unknown running system comes second. The comparison
 * comes last: distribution, major release, minor release.
 */
export function evaluateOsDrift({ declared, detected }: OsDriftInput): OsDriftState {
  if (declared === undefined || declared === '') {
    return 'declared_missing';
  }
  const wanted = parseOsId(declared);
  if (wanted.unknown || !namesRelease(wanted)) {
    return 'declared_unknown';
  }
  switch (detected.kind) {
    case 'unavailable':
      return 'agent_unavailable';
    case 'unmappable':
      return 'unmappable';
    case 'id':
      return compare(wanted, parseOsId(detected.id));
  }
}

/** Vendors whose major releases begin with one that has no minor number. */
const NAMES_FIRST_RELEASE: ReadonlySet<string> = new Set(['microsoft.com', 'suse.com']);

function compare(declared: OsId, running: OsId): OsDriftState {
  if (!sameDistro(declared, running)) {
    return 'distro_differs';
  }
  // fedora/unknown: the release is newer than osinfo-db or the guest names none, so there is nothing to compare.
  if (!namesRelease(running)) {
    return 'unmappable';
  }
  if (declared.rolling || running.rolling) {
    // Debian's testing and unstable write the same os-release.
    return declared.rolling && running.rolling ? 'match' : 'major_differs';
  }
  if (majorKey(declared) !== majorKey(running)) {
    return 'major_differs';
  }
  return sameMinor(declared, running) ? 'match' : 'minor_differs';
}

function namesRelease({ distro, major, rolling }: OsId): boolean {
  return distro !== '' && (major !== '' || rolling);
}

function sameDistro(a: OsId, b: OsId): boolean {
  const [first, second] = [distroKey(a), distroKey(b)];
  if (first === second) {
    return true;
  }
  // sle stands for servers and desktops alike, so sles/12.5 upgraded to sle/15.6 is the same distribution.
  return isSuseEnterprise(a) && isSuseEnterprise(b) && [first, second].includes('suse.com/sle');
}

function distroKey(os: OsId): string {
  const merged = isSuseEnterprise(os) && os.major === '15';
  return `${os.vendorDomain}/${merged ? 'sle' : os.distro}`;
}

function isSuseEnterprise({ vendorDomain, distro }: OsId): boolean {
  return vendorDomain === 'suse.com' && (distro === 'sle' || distro === 'sles' || distro === 'sled');
}

function majorKey({ vendorDomain, distro, major }: OsId): string {
  // Windows Server 2003 and 2003 R2 are both NT 5.2, and the agent reports no more than that.
  return vendorDomain === 'microsoft.com' && distro === 'win' && major === '2k3r2' ? '2k3' : major;
}

/**
 * An id without a minor release stands for all of them: 9.0 and 9.4 are both detected as rocky/9, CentOS 7 calls itself "7",
 * and DragonFly 6.4.0 calls itself "6.4". But sle/15 and win/8 are releases of their own, before 15.1 and 8.1; and 9-unknown
 * is detected for a minor release that osinfo-db does not list, so the declared one does not run.
 */
function sameMinor(declared: OsId, running: OsId): boolean {
  if (running.unknown) {
    return false;
  }
  if (NAMES_FIRST_RELEASE.has(declared.vendorDomain)) {
    return declared.minor === running.minor;
  }
  return isWithin(declared.minor, running.minor) || isWithin(running.minor, declared.minor);
}

function isWithin(minor: string, outer: string): boolean {
  return outer === '' || minor === outer || minor.startsWith(`${outer}.`);
}
