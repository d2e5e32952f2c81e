import { StatsGroup } from '../daemon/stats-client.ts';

/** Of these groups, those that take a word with QEMU's monitor, or wait for whatever is at work on the domain. */
export function withQemu(groups: number): number {
  return groups & ~StatsGroup.interface;
}

/** Of these groups, those that libvirt tells without a word with QEMU. */
export function withoutQemu(groups: number): number {
  return groups & StatsGroup.interface;
}

/**
 * With what tells for sure whether QEMU could be asked: without the balloon an empty drive, which has no counts, looks
 * like a domain that is busy.
 */
export function tellingGroups(groups: number): number {
  return withQemu(groups) === 0 ? groups : groups | StatsGroup.balloon;
}
