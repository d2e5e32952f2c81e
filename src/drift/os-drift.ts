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

/** `id`: osinfo's id of what runs; `unmappable`: the guest answered, osinfo-db has no such system. */
export type DetectedOs =
  | { readonly kind: 'id'; readonly id: string }
  | { readonly kind: 'unmappable' }
  | { readonly kind: 'unavailable' };

export interface OsDriftQuestion {
  /** The libosinfo id in the domain's metadata. */
  readonly declared: string | undefined;
  readonly detected: DetectedOs;
}

/**
 * Whether a guest runs what its domain declares.
 *
 * What is wrong with the declaration comes first: it is true without an agent, the owner can mend it, and the
 * state does not flap with the agent (which has metrics of its own). Then what is not known of the guest,
 * then the comparison: distribution, major release, minor release.
 */
export function judgeOsDrift({ declared, detected }: OsDriftQuestion): OsDriftState {
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

/** Vendors whose first release of a major one has no minor number. */
const NAMES_FIRST_RELEASE: ReadonlySet<string> = new Set(['microsoft.com', 'suse.com']);

function compare(declared: OsId, running: OsId): OsDriftState {
  if (!sameDistro(declared, running)) {
    return 'distro_differs';
  }
  // fedora/unknown: a release newer than the database, or none told. Not enough to accuse it of drift.
  if (!namesRelease(running)) {
    return 'unmappable';
  }
  if (declared.rolling || running.rolling) {
    // Two branches that move, Debian's testing and unstable, cannot be told apart from inside.
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
  // The agent cannot tell Windows Server 2003 R2: both are NT 5.2.
  return vendorDomain === 'microsoft.com' && distro === 'win' && major === '2k3r2' ? '2k3' : major;
}

/**
 * An id without a minor release stands for all of them: rocky/9 is what 9.0 and 9.4 are both detected as,
 * CentOS 7 says no more than "7". But sle/15 and win/8 are releases of their own, before 15.1 and 8.1; and
 * 9-unknown is detected for a minor release that the database does not list, so it is not the declared one.
 */
function sameMinor(declared: OsId, running: OsId): boolean {
  if (running.unknown) {
    return false;
  }
  const silent = declared.minor === '' || running.minor === '';
  return declared.minor === running.minor || (silent && !NAMES_FIRST_RELEASE.has(declared.vendorDomain));
}
