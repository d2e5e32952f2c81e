import type { MachineType } from './machine-type.ts';
import {
  lastMinor,
  policyRelease,
  type QemuRelease,
  type QemuVersion,
  releaseOrdinal,
  releasesBetween,
} from './qemu-release.ts';

interface PolicyException {
  readonly family: string;
  /** Newest release of the family to which the row applies. */
  readonly upTo: QemuRelease;
  /** QEMU release that deprecated or removed it; `undefined` where that is not known. */
  readonly from: QemuRelease | undefined;
}

// QEMU include/hw/boards.h: deprecated after 3 years, deleted after 6.
const DEPRECATION_YEARS = 3;
const DELETION_YEARS = 6;
const AUTOMATIC_DEPRECATION: QemuRelease = { major: 9, minor: 1 };
const AUTOMATIC_DELETION: QemuRelease = { major: 10, minor: 1 };

// Types that QEMU deprecated or removed one by one, before the automatic rule: QEMU docs/about/deprecated.rst and
// removed-features.rst of the releases named. Within a family the oldest types come first.
const DEPRECATED_BY_HAND: readonly PolicyException[] = [
  { family: 'pc-i440fx', upTo: { major: 0, minor: 15 }, from: { major: 4, minor: 0 } },
  { family: 'pc-i440fx', upTo: { major: 1, minor: 3 }, from: { major: 5, minor: 0 } },
  { family: 'pc-i440fx', upTo: { major: 1, minor: 7 }, from: { major: 7, minor: 0 } },
  { family: 'pc-i440fx', upTo: { major: 2, minor: 3 }, from: { major: 8, minor: 2 } },
  { family: 'pseries', upTo: { major: 2, minor: 12 }, from: { major: 9, minor: 0 } },
];
const REMOVED_BY_HAND: readonly PolicyException[] = [
  { family: 'pc-i440fx', upTo: { major: 0, minor: 11 }, from: undefined },
  { family: 'pc-i440fx', upTo: { major: 0, minor: 15 }, from: { major: 5, minor: 0 } },
  { family: 'pc-i440fx', upTo: { major: 1, minor: 3 }, from: { major: 6, minor: 0 } },
  { family: 'pc-i440fx', upTo: { major: 1, minor: 7 }, from: { major: 8, minor: 2 } },
  { family: 'pc-i440fx', upTo: { major: 2, minor: 3 }, from: { major: 9, minor: 1 } },
  { family: 'pc-q35', upTo: { major: 2, minor: 3 }, from: undefined },
  { family: 'pseries', upTo: { major: 2, minor: 12 }, from: { major: 10, minor: 0 } },
  { family: 's390-ccw-virtio', upTo: { major: 2, minor: 8 }, from: { major: 10, minor: 0 } },
];

// The policy names QEMU's targets aarch64, arm, i386, m68k, ppc64, s390x and x86_64; libvirt has other names for
// some of them (virArchData in libvirt's src/util/virarch.c).
const COVERED_ARCHES: ReadonlySet<string> = new Set([
  'aarch64',
  'arm',
  'armv6l',
  'armv7b',
  'armv7l',
  'i386',
  'i686',
  'm68k',
  'ppc64',
  'ppc64le',
  's390',
  's390x',
  'x86_64',
]);

/**
 * Whether QEMU's policy for versioned machine types covers this type. Ubuntu's and RHEL's types are patched in without
 * the macro that applies the policy. `+pveN` types are, inside QEMU, the upstream type of that version, so the policy
 * covers them.
 *
 * @param arch libvirt's name, as in `<os><type arch=…>`
 */
export function policyCovers(type: MachineType, arch: string): boolean {
  return (type.vendor === 'upstream' || type.vendor === 'proxmox') && COVERED_ARCHES.has(arch);
}

/** Whether QEMU's policy, in the release that is installed, deprecates the type (or already deleted it). */
export function policyDeprecated(type: MachineType, arch: string, installed: QemuVersion): boolean {
  const release = type.release;
  if (release === undefined || !policyCovers(type, arch)) {
    return false;
  }
  const applied = policyRelease(installed);
  if (reached(applied, AUTOMATIC_DEPRECATION) && expired(release, applied, DEPRECATION_YEARS)) {
    return true;
  }
  const from = policyException(DEPRECATED_BY_HAND, type.family, release)?.from;
  return from !== undefined && reached(applied, from);
}

/**
 * First QEMU release, such as 10.1, that by policy no longer has the type; `undefined` when neither the policy nor a
 * record covers the type. Distributions may keep a type longer, or drop it earlier.
 */
export function removedIn(type: MachineType, arch: string): QemuRelease | undefined {
  const release = type.release;
  if (release === undefined || !policyCovers(type, arch)) {
    return undefined;
  }
  const row = policyException(REMOVED_BY_HAND, type.family, release);
  if (row !== undefined) {
    return row.from;
  }
  const due = firstExpired(release, DELETION_YEARS);
  return reached(due, AUTOMATIC_DELETION) ? due : AUTOMATIC_DELETION;
}

/**
 * Releases from the installed QEMU to the one without the type: 1 is the next release; at 0 or less, by policy, the
 * installed QEMU no longer has the type.
 */
export function releasesUntilRemoved(
  type: MachineType,
  arch: string,
  installed: QemuVersion,
): number | undefined {
  const removed = removedIn(type, arch);
  return removed && releasesBetween(policyRelease(installed), removed);
}

function expired(type: QemuRelease, applied: QemuRelease, years: number): boolean {
  const age = applied.major - type.major;
  return age > years || (age === years && applied.minor >= type.minor);
}

/** The first release that exists and for which `expired` holds. */
function firstExpired(type: QemuRelease, years: number): QemuRelease {
  const major = type.major + years;
  return type.minor <= lastMinor(major) ? { major, minor: type.minor } : { major: major + 1, minor: 0 };
}

function reached(release: QemuRelease, milestone: QemuRelease): boolean {
  return releaseOrdinal(release) >= releaseOrdinal(milestone);
}

function policyException(
  rows: readonly PolicyException[],
  family: string,
  release: QemuRelease,
): PolicyException | undefined {
  return rows.find((row) => row.family === family && reached(row.upTo, release));
}
