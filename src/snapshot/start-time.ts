import type { DomainRecord } from '../inventory/domain-record.ts';

/** The kernel tells the time of its boot in whole seconds, and processes' starts by it. */
const CLOCK_GRAIN = 1;

type SeenStart = Pick<DomainRecord, 'startedWithVersion' | 'startSeenSeconds'>;

/**
 * What was seen of a run's start. After a connection was lost it may have been the start of the run before, whose process
 * was older: the process that runs now, if it can be seen, decides.
 */
export function seenStart(
  { startedWithVersion, startSeenSeconds, startIsCertain }: SeenStart & Pick<DomainRecord, 'startIsCertain'>,
  process: { readonly startSeconds: number } | undefined,
): SeenStart {
  const isOfThisRun =
    startIsCertain ||
    (process !== undefined &&
      startSeenSeconds !== undefined &&
      process.startSeconds <= startSeenSeconds + CLOCK_GRAIN);
  return isOfThisRun
    ? { startedWithVersion, startSeenSeconds }
    : { startedWithVersion: undefined, startSeenSeconds: undefined };
}
