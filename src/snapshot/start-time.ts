import { domainRunId, keepOnlyRuns } from '../daemon/domain-run-id.ts';
import type { DomainRecord } from '../inventory/domain-record.ts';
import type { DomainRef } from '../libvirt/types.ts';

/** A process's start is relative to the boot time, which the kernel reports in whole seconds. */
const BOOT_TIME_RESOLUTION_SECONDS = 1;

type ObservedStart = Pick<DomainRecord, 'startedWithVersion' | 'startObservedSeconds'>;

/**
 * Returns the observed start, if it belongs to the current run. After the connection was lost, the observed start may be the
 * former run's. Then it belongs to the current run only if the current process had started by that time.
 */
export function observedStart(
  {
    startedWithVersion,
    startObservedSeconds,
    startObserved,
  }: ObservedStart & Pick<DomainRecord, 'startObserved'>,
  process: { readonly startSeconds: number } | undefined,
): ObservedStart {
  const isOfThisRun =
    startObserved ||
    (process !== undefined &&
      startObservedSeconds !== undefined &&
      process.startSeconds <= startObservedSeconds + BOOT_TIME_RESOLUTION_SECONDS);
  return isOfThisRun
    ? { startedWithVersion, startObservedSeconds }
    : { startedWithVersion: undefined, startObservedSeconds: undefined };
}

/**
 * An observed start and the start of the process differ by less than this. While a domain migrates to a process on the same
 * host, two processes run for the domain, and the exporter sees neither as the domain's own.
 */
const SAME_START_SECONDS = 60;

/** Two processes whose starts differ by more are two runs; the boot time to which a start is added can move by a second. */
const SAME_PROCESS_SECONDS = 1.5;

interface KnownStart {
  readonly seconds: number;
  /** Start of the process at the time; a restarted daemon may give a run's number to another run. */
  readonly ofProcess: number | undefined;
}

/** The start time of each run. Of two sources that differ by seconds, a run keeps the one that was known first. */
export class StartTimes {
  readonly #starts = new Map<string, KnownStart>();

  /** `ofProcess` and `observed`: Unix time in seconds. */
  of(
    domain: Pick<DomainRef, 'uuid' | 'id'>,
    ofProcess: number | undefined,
    observed: number | undefined,
  ): number | undefined {
    if (domain.id < 0) return undefined;
    const run = domainRunId(domain);
    const before = this.#starts.get(run);
    const now = ofProcess ?? observed;
    if (now === undefined) return before?.seconds;
    const seconds = before !== undefined && isSameRun(before, now, ofProcess) ? before.seconds : now;
    this.#starts.set(run, { seconds, ofProcess: ofProcess ?? before?.ofProcess });
    return seconds;
  }

  /** Forgets all runs but these. */
  keepOnly(runs: ReadonlySet<string>): void {
    keepOnlyRuns(this.#starts, runs);
  }
}

function isSameRun(before: KnownStart, now: number, ofProcess: number | undefined): boolean {
  if (before.ofProcess !== undefined && ofProcess !== undefined)
    return Math.abs(ofProcess - before.ofProcess) < SAME_PROCESS_SECONDS;
  return Math.abs(now - before.seconds) < SAME_START_SECONDS;
}
