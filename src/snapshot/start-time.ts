import type { DomainRecord } from '../inventory/domain-record.ts';

/** The kernel tells the time of its boot in whole seconds, and processes' starts by it. */
const CLOCK_GRAIN = 1;

type ObservedStart = Pick<DomainRecord, 'startedWithVersion' | 'startObservedSeconds'>;

/**
 * What was seen of a run's start. After a connection was lost it may have been the start of the run before, whose process
 * was older: the process that runs now, if it can be seen, decides.
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
      process.startSeconds <= startObservedSeconds + CLOCK_GRAIN);
  return isOfThisRun
    ? { startedWithVersion, startObservedSeconds }
    : { startedWithVersion: undefined, startObservedSeconds: undefined };
}
