/**
 * Which guest is probed next, and when a guest is probed again. The functions are pure: the caller passes the time
 * and the random numbers. Times are milliseconds of the prober's clock.
 */

/** What the schedule knows of a guest that waits for its probe. */
export interface ScheduleEntry {
  readonly uuid: string;
  readonly dueAt: number;
  readonly expectedMs: number;
  /** See {@link isTrusted}. */
  readonly trusted: boolean;
  /** Share of one processor that the domain has used since its start; 0 when unknown. */
  readonly cpuShare: number;
}

/** One of the prober's slots, while a probe runs in it. */
export interface OccupiedSlot {
  /** Whether the guest was trusted when its probe started. */
  readonly trusted: boolean;
  readonly startedAt: number;
}

/** When a guest's next probe is due, and whether an event brought it forward. */
export interface Due {
  readonly dueAt: number;
  readonly expedited: boolean;
}

/**
 * | ending        | the probe                                                                        |
 * |---------------|----------------------------------------------------------------------------------|
 * | `complete`    | got a result for each command that the agent supports, an error reply included   |
 * | `partial`     | got some results, then the agent stopped answering                               |
 * | `failed`      | got no result from the agent                                                     |
 * | `postponed`   | found the guest frozen or the domain busy                                        |
 * | `interrupted` | lost libvirt, or the domain's QEMU stopped responding: the agent is not to blame |
 * | `crashed`     | met an error of the exporter itself                                              |
 */
export type ProbeEnding = 'complete' | 'partial' | 'failed' | 'postponed' | 'interrupted' | 'crashed';

/** What the last probes of a guest say about its next one. */
export interface Reliability {
  /** Whether the agent answered the last probe that completed or failed. */
  readonly answered: boolean;
  /** Failed probes in a row. */
  readonly failures: number;
  /** Postponed probes in a row. */
  readonly postponements: number;
  /** The trust window: complete probes that are still missing until the guest is trusted again. */
  readonly probesUntilTrusted: number;
  /** Undefined before the first probe. */
  readonly lastDurationMs: number | undefined;
}

export const NEVER_PROBED: Reliability = {
  answered: false,
  failures: 0,
  postponements: 0,
  probesUntilTrusted: 0,
  lastDurationMs: undefined,
};

/** A guest whose probe took longer is not trusted. */
const SLOW_MS = 5_000;
/** A running probe that takes longer counts as that of a guest that is not trusted. */
const SLOW_SO_FAR_MS = 1_000;
/**
 * Guests that answer every second probe, or nine of ten, are not trusted: each of their silent probes occupies a slot
 * for five seconds, and a few dozen such guests would occupy all slots at once.
 */
const TRUST_WINDOW_PROBES = 10;
/** Between a healthy guest's tenth of a second and a silent one's five seconds. */
const EXPECTED_OF_UNKNOWN_MS = 3_000;
/** Below this, a difference between two guests is noise. */
const SHORTEST_EXPECTED_MS = 100;
const LONGEST_BACKOFF_MS = 10 * 60_000;
const MAX_DOUBLINGS = 16;
const JITTER = 0.1;
/** More postponements in a row than any backup causes: the guest then backs off like a silent one. */
const MAX_POSTPONEMENTS = 10;
/** A guest that answers in part backs off to two intervals, so that its next sample comes before this one is stale. */
const MAX_PARTIAL_FAILURES = 2;

/**
 * The guest to probe now, or undefined when no guest is due or no slot is free.
 *
 * The entry with the highest response ratio wins: waiting time divided by expected probe time. Guests that answer
 * fast come first, and as waiting time grows without limit, no guest waits for ever. Guests that were never probed
 * are all due at once after a start; among these the highest CPU share wins, as a guest that hangs in its firmware or
 * has halted uses no CPU time.
 *
 * One of several slots is kept for trusted guests.
 */
export function pickNext(
  entries: Iterable<ScheduleEntry>,
  occupied: readonly OccupiedSlot[],
  slots: number,
  now: number,
): ScheduleEntry | undefined {
  if (occupied.length >= slots) return undefined;
  const slow = occupied.filter(({ trusted, startedAt }) => !trusted || now - startedAt > SLOW_SO_FAR_MS);
  const trustedOnly = slow.length >= Math.max(1, slots - 1);
  let best: ScheduleEntry | undefined;
  for (const entry of entries) {
    if (entry.dueAt > now || (trustedOnly && !entry.trusted)) continue;
    if (best === undefined || comesBefore(entry, best, now)) best = entry;
  }
  return best;
}

function comesBefore(a: ScheduleEntry, b: ScheduleEntry, now: number): boolean {
  const difference =
    responseRatio(a, now) - responseRatio(b, now) || b.expectedMs - a.expectedMs || a.cpuShare - b.cpuShare;
  return difference > 0;
}

function responseRatio({ dueAt, expectedMs }: ScheduleEntry, now: number): number {
  return (now - dueAt) / expectedMs;
}

export function expectedMs({ lastDurationMs }: Reliability): number {
  return lastDurationMs === undefined
    ? EXPECTED_OF_UNKNOWN_MS
    : Math.max(SHORTEST_EXPECTED_MS, lastDurationMs);
}

/** Whether the guest may use the last free slot: its agent answers, and did so within the whole trust window. */
export function isTrusted({ answered, probesUntilTrusted }: Reliability): boolean {
  return answered && probesUntilTrusted === 0;
}

export function recordReliability(before: Reliability, ending: ProbeEnding, durationMs: number): Reliability {
  const { answered, failures, postponements } = countEnding(before, ending);
  const isSlow = durationMs > SLOW_MS;
  const isGood = ending === 'complete' || ending === 'partial';
  const reset = failures > 0 || isSlow;
  return {
    answered,
    failures,
    postponements,
    probesUntilTrusted: reset
      ? TRUST_WINDOW_PROBES
      : Math.max(0, before.probesUntilTrusted - (isGood ? 1 : 0)),
    lastDurationMs: durationMs,
  };
}

function countEnding(
  { answered, failures, postponements }: Reliability,
  ending: ProbeEnding,
): Pick<Reliability, 'answered' | 'failures' | 'postponements'> {
  switch (ending) {
    case 'complete':
      return { answered: true, failures: 0, postponements: 0 };
    case 'partial':
      return { answered: true, failures: Math.min(failures + 1, MAX_PARTIAL_FAILURES), postponements: 0 };
    case 'failed':
      return { answered: false, failures: failures + 1, postponements };
    case 'postponed':
      return { answered, failures, postponements: postponements + 1 };
    case 'interrupted':
      return { answered, failures, postponements };
    case 'crashed':
      return { answered, failures: failures + 1, postponements };
  }
}

/**
 * After an event a guest is probed at its usual interval again. One failure stays counted: an agent that is still
 * starting may miss its first probe, and an agent that comes and goes is not to be trusted.
 */
export function forgiveFailures(reliability: Reliability): Reliability {
  return { ...reliability, failures: Math.min(reliability.failures, 1), postponements: 0 };
}

/**
 * The time from the end of a probe to the next one: one interval, doubled with each failure after the first up to ten
 * minutes (or the interval, if that is longer), plus or minus ten percent. `random` is from 0 to 1.
 */
export function pauseMs(
  { failures, postponements }: Reliability,
  intervalMs: number,
  random: number,
): number {
  const attempts = Math.max(failures, postponements - MAX_POSTPONEMENTS);
  const doublings = Math.min(Math.max(0, attempts - 1), MAX_DOUBLINGS);
  const longest = Math.max(intervalMs, LONGEST_BACKOFF_MS);
  return Math.min(longest, intervalMs * 2 ** doublings) * (1 - JITTER + 2 * JITTER * random);
}

/**
 * Brings a probe forward to `from`. The rate limit bounds what a guest can cause: it opens and closes its agent's
 * channel as often as it likes.
 */
export function expedite(due: Due, from: number, rateLimitedUntil: number): Due {
  const dueAt = Math.max(from, rateLimitedUntil);
  return dueAt < due.dueAt ? { dueAt, expedited: true } : due;
}

/** The rate limit after a probe that starts `now`: one expedited probe in an interval. */
export function nextRateLimit(
  { expedited }: Due,
  rateLimitedUntil: number,
  now: number,
  intervalMs: number,
): number {
  return expedited ? now + intervalMs : rateLimitedUntil;
}
