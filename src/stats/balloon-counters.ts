import { keepOnlyRuns } from '../daemon/domain-run-id.ts';
import type { StatsFields } from './domain-stats.ts';

/** Counters that the guest's driver reports, each with the most that it can rise by in a second. */
const COUNTERS: ReadonlyMap<string, number> = new Map([
  // KiB: no host moves 100 GiB a second.
  ['swap_in', 100 * 1024 * 1024],
  ['swap_out', 100 * 1024 * 1024],
  ['major_fault', 1e9],
  ['minor_fault', 1e9],
  ['hugetlb_pgalloc', 1e9],
  ['hugetlb_pgfail', 1e9],
]);
/** The driver reports at its period, not when libvirt is called. */
const TOLERANCE_SECONDS = 60;
/** A value that stays wrong is taken after this time, so that a rate over five minutes does not see the change. */
const ACCEPTED_AFTER_MS = 5.5 * 60_000;

interface Known {
  readonly value: number;
  /** performance.now() milliseconds. */
  readonly at: number;
  readonly droppedSince: number | undefined;
}

/**
 * Leaves out counters of the balloon that fall or jump. The guest's driver writes them, so a faulty or hostile guest can report
 * anything; Prometheus takes a counter that falls for one that restarted at zero, and adds its whole value to the rate. When
 * all counters fall together, the guest has booted.
 */
export class BalloonCounters {
  readonly #runs = new Map<string, ReadonlyMap<string, Known>>();

  /** The fields without the counters that cannot be true. */
  check(run: string, balloon: StatsFields): StatsFields {
    const present = [...COUNTERS].filter(([name]) => balloon.has(name));
    if (present.length === 0) return balloon;
    const before = this.#runs.get(run);
    const now = performance.now();
    const hasBooted = before !== undefined && allFell(before, balloon);
    const known = new Map<string, Known>(hasBooted ? [] : before);
    const dropped: string[] = [];
    for (const [name, perSecond] of present) {
      const value = balloon.get(name) ?? 0;
      const last = hasBooted ? undefined : before?.get(name);
      if (last === undefined || isPossible(last, value, perSecond, now)) {
        known.set(name, { value, at: now, droppedSince: undefined });
        continue;
      }
      const droppedSince = last.droppedSince ?? now;
      if (now - droppedSince >= ACCEPTED_AFTER_MS) {
        known.set(name, { value, at: now, droppedSince: undefined });
        continue;
      }
      known.set(name, { ...last, droppedSince });
      dropped.push(name);
    }
    this.#runs.set(run, known);
    return dropped.length === 0 ? balloon : new Map([...balloon].filter(([name]) => !dropped.includes(name)));
  }

  /** Forgets all runs but these. */
  keepOnly(runs: ReadonlySet<string>): void {
    keepOnlyRuns(this.#runs, runs);
  }
}

function isPossible({ value: last, at }: Known, value: number, perSecond: number, now: number): boolean {
  return value >= last && value - last <= perSecond * ((now - at) / 1000 + TOLERANCE_SECONDS);
}

function allFell(before: ReadonlyMap<string, Known>, balloon: StatsFields): boolean {
  const counted = [...before].filter(([name, { value }]) => value > 0 && balloon.has(name));
  return counted.length > 0 && counted.every(([name, { value }]) => (balloon.get(name) ?? value) < value);
}
