/** A counter whose source may restart at zero. */
export interface MonotonicSum {
  /** The source's last value. */
  readonly last: number;
  readonly sum: number;
}

/**
 * Adds the source's increase since the last time. A source that has fallen has restarted at zero, such as that of a cgroup
 * which was made anew: the sum goes on.
 */
export function addIncrease(before: MonotonicSum | undefined, value: number): MonotonicSum {
  if (before === undefined) return { last: value, sum: value };
  const increase = value >= before.last ? value - before.last : value;
  return { last: value, sum: before.sum + increase };
}
