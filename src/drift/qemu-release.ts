/** A feature release of QEMU: 7.2 is `{ major: 7, minor: 2 }`. */
export interface QemuRelease {
  readonly major: number;
  readonly minor: number;
}

/** An installed or running QEMU: 7.2.22 is `{ major: 7, minor: 2, micro: 22 }`. */
export interface QemuVersion extends QemuRelease {
  readonly micro: number;
}

interface Series {
  readonly major: number;
  readonly first: number;
  readonly last: number;
}

// QEMU's releases before its yearly .0 .1 .2, which began with 4.0. Machine types exist since 0.10.
const EARLY_SERIES: readonly Series[] = [
  { major: 0, first: 10, last: 15 },
  { major: 1, first: 0, last: 7 },
  { major: 2, first: 0, last: 12 },
  { major: 3, first: 0, last: 1 },
];
const FIRST_YEARLY_MAJOR = 4;
const YEARLY_LAST_MINOR = 2;
const RELEASES_BEFORE_4_0 = EARLY_SERIES.reduce((sum, s) => sum + s.last - s.first + 1, 0);

// QEMU's docs/devel/versioning: a micro from 50 on is a development snapshot or release candidate.
const FIRST_DEVELOPMENT_MICRO = 50;

const VERSION_PREFIX = /^(\d{1,3})\.(\d{1,3})(?!\d)(?:\.(\d{1,9}))?/;

/**
 * Position of a release in QEMU's history, 0 for 0.10; consecutive releases differ by 1. A release that
 * never existed counts as the nearest of its major (4.3 as 4.2), so the order is never inverted.
 */
export function releaseOrdinal(release: QemuRelease): number {
  let ordinal = 0;
  for (const series of EARLY_SERIES) {
    if (series.major === release.major) {
      return ordinal + Math.min(Math.max(release.minor, series.first), series.last) - series.first;
    }
    ordinal += series.last - series.first + 1;
  }
  const perYear = YEARLY_LAST_MINOR + 1;
  return (
    RELEASES_BEFORE_4_0 +
    (release.major - FIRST_YEARLY_MAJOR) * perYear +
    Math.min(release.minor, YEARLY_LAST_MINOR)
  );
}

/** How many releases `newer` is ahead of `older`: 1 from 7.1 to 7.2, negative when it is the older one. */
export function releasesBetween(older: QemuRelease, newer: QemuRelease): number {
  return releaseOrdinal(newer) - releaseOrdinal(older);
}

/** Newest minor of a major: 12 for 2, 1 for 3, 2 from 4 on. */
export function lastMinor(major: number): number {
  return EARLY_SERIES.find((series) => series.major === major)?.last ?? YEARLY_LAST_MINOR;
}

/** The release after this one: 10.1 after 10.0, 11.0 after 10.2. */
export function nextRelease(release: QemuRelease): QemuRelease {
  return release.minor < lastMinor(release.major)
    ? { major: release.major, minor: release.minor + 1 }
    : { major: release.major + 1, minor: 0 };
}

/**
 * The release whose machine-type policy an installed QEMU applies: its own, or the next one for development
 * builds and release candidates (10.0.50 applies 10.1's; QEMU include/hw/boards.h).
 */
export function policyRelease(version: QemuVersion): QemuRelease {
  return version.micro >= FIRST_DEVELOPMENT_MICRO ? nextRelease(version) : version;
}

/** `7.2` of a release or version. */
export function formatRelease(release: QemuRelease): string {
  return `${release.major}.${release.minor}`;
}

/** `7.2.22` of a version. */
export function formatVersion(version: QemuVersion): string {
  return `${version.major}.${version.minor}.${version.micro}`;
}

/**
 * Reads a QEMU version as text (`7.2.22`, also with something behind it as in `7.2.22Debian 1:7.2+dfsg`) or
 * as libvirt's number (major × 1,000,000 + minor × 1,000 + micro). Anything else, and 0, is `undefined`.
 */
export function parseQemuVersion(value: string | number): QemuVersion | undefined {
  if (typeof value === 'number') {
    return parseLibvirtNumber(value);
  }
  const match = VERSION_PREFIX.exec(value);
  return match === null
    ? undefined
    : { major: Number(match[1]), minor: Number(match[2]), micro: Number(match[3] ?? 0) };
}

function parseLibvirtNumber(value: number): QemuVersion | undefined {
  if (!Number.isSafeInteger(value) || value <= 0) {
    return undefined;
  }
  return {
    major: Math.floor(value / 1_000_000),
    minor: Math.floor(value / 1000) % 1000,
    micro: value % 1000,
  };
}
