import type { DomainRecord } from '../inventory/domain-record.ts';

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
