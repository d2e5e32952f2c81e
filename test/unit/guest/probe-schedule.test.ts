import { describe, expect, test } from '@jest/globals';
import {
  expectedMs,
  expedite,
  forgiveFailures,
  isTrusted,
  NEVER_PROBED,
  nextRateLimit,
  type OccupiedSlot,
  type ProbeEnding,
  pauseMs,
  pickNext,
  type Reliability,
  recordReliability,
  type ScheduleEntry,
} from '../../../src/guest/probe-schedule.ts';

const INTERVAL_MS = 30_000;
const TEN_MINUTES_MS = 600_000;
const NOW = 1_000_000;
/** The random number without jitter. */
const MIDDLE = 0.5;

function entry(uuid: string, changes: Partial<ScheduleEntry> = {}): ScheduleEntry {
  return { uuid, dueAt: NOW, expectedMs: 100, trusted: true, cpuShare: 0, ...changes };
}

const TRUSTED_SLOT: OccupiedSlot = { trusted: true, startedAt: NOW };
const UNTRUSTED_SLOT: OccupiedSlot = { trusted: false, startedAt: NOW };

function pick(entries: readonly ScheduleEntry[], occupied: readonly OccupiedSlot[] = [], slots = 4) {
  return pickNext(entries, occupied, slots, NOW)?.uuid;
}

/** The reliability after these endings, each of a probe of `durationMs`. */
function reliabilityAfter(
  endings: readonly ProbeEnding[],
  durationMs = 100,
  before: Reliability = NEVER_PROBED,
): Reliability {
  return endings.reduce((reliability, ending) => recordReliability(reliability, ending, durationMs), before);
}

const times = (count: number, ending: ProbeEnding): ProbeEnding[] => Array(count).fill(ending);

describe('the next guest', () => {
  test('is none before it is due', () => {
    expect(pick([entry('early', { dueAt: NOW + 1 })])).toBeUndefined();
    expect(pick([entry('early', { dueAt: NOW + 1 }), entry('due')])).toBe('due');
    expect(pick([])).toBeUndefined();
  });

  test.each([
    [1, 0, 'guest'],
    [1, 1, undefined],
    [4, 3, 'guest'],
    [4, 4, undefined],
  ])('of %i slots, %i of them occupied, is %s', (slots, count, expected) => {
    expect(pick([entry('guest')], Array(count).fill(TRUSTED_SLOT), slots)).toBe(expected);
  });

  test.each<[string, number, OccupiedSlot[], string]>([
    ['no slot is occupied', 4, [], 'untrusted'],
    ['two of four slots are occupied by untrusted guests', 4, Array(2).fill(UNTRUSTED_SLOT), 'untrusted'],
    ['three of four slots are occupied by untrusted guests', 4, Array(3).fill(UNTRUSTED_SLOT), 'trusted'],
    ['three of four slots are occupied by trusted guests', 4, Array(3).fill(TRUSTED_SLOT), 'untrusted'],
    [
      'three of four slots are occupied by trusted guests that are slow this time',
      4,
      Array(3).fill({ trusted: true, startedAt: NOW - 1_001 }),
      'trusted',
    ],
    ['the only slot is free', 1, [], 'untrusted'],
    ['one of two slots is occupied by an untrusted guest', 2, [UNTRUSTED_SLOT], 'trusted'],
  ])('when %s', (_name, slots, occupied, expected) => {
    const entries = [
      entry('trusted', { dueAt: NOW - 100 }),
      entry('untrusted', { dueAt: NOW - 200, trusted: false }),
    ];
    expect(pick(entries, occupied, slots)).toBe(expected);
  });

  test('is none while the last slot is kept and only untrusted guests are due', () => {
    expect(pick([entry('a', { trusted: false })], Array(3).fill(UNTRUSTED_SLOT))).toBeUndefined();
  });

  test.each<[string, ScheduleEntry, ScheduleEntry]>([
    [
      'waited longer, of two that take as long',
      entry('next', { dueAt: NOW - 300 }),
      entry('other', { dueAt: NOW - 200 }),
    ],
    [
      'is expected to be faster, of two that waited as long',
      entry('next', { dueAt: NOW - 300 }),
      entry('other', { dueAt: NOW - 300, expectedMs: 5_000 }),
    ],
    [
      'waited longer in proportion to its expected time',
      entry('next', { dueAt: NOW - 6_000, expectedMs: 5_000 }),
      entry('other', { dueAt: NOW - 100 }),
    ],
    [
      'is expected to be faster, of two that are due just now',
      entry('next'),
      entry('other', { expectedMs: 101 }),
    ],
    [
      'used more CPU time, of two that were never probed',
      entry('next', { dueAt: NOW - 5_000, expectedMs: 3_000, cpuShare: 0.02 }),
      entry('other', { dueAt: NOW - 5_000, expectedMs: 3_000, cpuShare: 0.001 }),
    ],
  ])('is the one that %s', (_name, next, other) => {
    expect(pick([next, other])).toBe('next');
    expect(pick([other, next])).toBe('next');
  });

  test('is an untrusted, slow one at last, however many fast ones become due', () => {
    const slow = entry('slow', { dueAt: NOW, expectedMs: 5_000, trusted: false });
    const fast = (now: number) => entry('fast', { dueAt: now - 500, expectedMs: 100 });
    const picked = (waited: number) => pickNext([fast(NOW + waited), slow], [], 4, NOW + waited)?.uuid;
    expect(picked(20_000)).toBe('fast');
    expect(picked(26_000)).toBe('slow');
  });
});

test.each([
  [undefined, 3_000],
  [20, 100],
  [2_000, 2_000],
])('after a probe of %s ms, the next one is expected to take %i ms', (lastDurationMs, expected) => {
  expect(expectedMs({ ...NEVER_PROBED, lastDurationMs })).toBe(expected);
});

describe('the pause before the next probe', () => {
  const pauseAfter = (endings: readonly ProbeEnding[], intervalMs = INTERVAL_MS) =>
    pauseMs(reliabilityAfter(endings), intervalMs, MIDDLE);

  test.each<[string, ProbeEnding[], number]>([
    ['a complete probe', ['complete'], 1],
    ['one failure', ['failed'], 1],
    ['two failures', times(2, 'failed'), 2],
    ['three failures', times(3, 'failed'), 4],
    ['five failures', times(5, 'failed'), 16],
    ['failures and then a complete probe', [...times(5, 'failed'), 'complete'], 1],
    ['partial results again and again', times(9, 'partial'), 2],
    ['errors of the exporter', times(3, 'crashed'), 4],
    ['lost connections', times(9, 'interrupted'), 1],
    ['as many postponements as a long backup causes', times(11, 'postponed'), 1],
    ['more postponements than any backup causes', times(13, 'postponed'), 4],
  ])('after %s', (_name, endings, intervals) => {
    expect(pauseAfter(endings)).toBeCloseTo(intervals * INTERVAL_MS);
  });

  test('is ten minutes at most, or the interval if that is longer', () => {
    expect(pauseAfter(times(6, 'failed'))).toBeCloseTo(TEN_MINUTES_MS);
    expect(pauseAfter(times(5_000, 'failed'))).toBeCloseTo(TEN_MINUTES_MS);
    expect(pauseAfter(times(5_000, 'failed'), 3_600_000)).toBeCloseTo(3_600_000);
  });

  test.each([
    [0, 0.9],
    [0.25, 0.95],
    [1, 1.1],
  ])('with the random number %d is %d of its length', (random, share) => {
    for (const endings of [times(1, 'complete'), times(3, 'failed'), times(50, 'failed')]) {
      const reliability = reliabilityAfter(endings);
      const middle = pauseMs(reliability, INTERVAL_MS, MIDDLE);
      expect(pauseMs(reliability, INTERVAL_MS, random)).toBeCloseTo(share * middle);
    }
  });

  test('is short again after an event, with one failure still counted', () => {
    const forgiven = forgiveFailures(reliabilityAfter([...times(6, 'failed'), ...times(20, 'postponed')]));
    expect(forgiven).toMatchObject({ failures: 1, postponements: 0 });
    expect(pauseMs(forgiven, INTERVAL_MS, MIDDLE)).toBeCloseTo(INTERVAL_MS);
    expect(pauseMs(reliabilityAfter(['failed'], 100, forgiven), INTERVAL_MS, MIDDLE)).toBeCloseTo(
      2 * INTERVAL_MS,
    );
    expect(forgiveFailures(reliabilityAfter(['complete'])).failures).toBe(0);
  });
});

describe('the trust window', () => {
  test('is empty for a guest that has only given good probes', () => {
    expect(isTrusted(NEVER_PROBED)).toBe(false);
    expect(isTrusted(reliabilityAfter(['complete']))).toBe(true);
  });

  test.each<[string, ProbeEnding, number]>([
    ['a failure', 'failed', 100],
    ['an error of the exporter', 'crashed', 100],
    ['a partial result', 'partial', 100],
    ['a complete probe that took more than five seconds', 'complete', 5_001],
  ])('after %s takes ten complete probes', (_name, ending, durationMs) => {
    const bad = reliabilityAfter([ending], durationMs, reliabilityAfter(['complete']));
    expect(isTrusted(bad)).toBe(false);
    expect(isTrusted(reliabilityAfter(times(9, 'complete'), 100, bad))).toBe(false);
    expect(isTrusted(reliabilityAfter(times(10, 'complete'), 100, bad))).toBe(true);
  });

  test('begins again with each failure', () => {
    const flapping = reliabilityAfter(['failed', ...times(9, 'complete'), 'failed', ...times(9, 'complete')]);
    expect(isTrusted(flapping)).toBe(false);
  });

  test.each<ProbeEnding>(['postponed', 'interrupted'])(
    'is neither shorter nor longer when a probe was %s',
    (ending) => {
      expect(isTrusted(reliabilityAfter([ending], 100, reliabilityAfter(['complete'])))).toBe(true);
      const almost = reliabilityAfter(['failed', ...times(9, 'complete')]);
      const still = reliabilityAfter(times(20, ending), 100, almost);
      expect(isTrusted(still)).toBe(false);
      expect(isTrusted(reliabilityAfter(['complete'], 100, still))).toBe(true);
    },
  );
});

describe('an event', () => {
  const REGULAR = { dueAt: NOW + INTERVAL_MS, expedited: false };

  test('brings the next probe forward', () => {
    expect(expedite(REGULAR, NOW + 500, Number.NEGATIVE_INFINITY)).toEqual({
      dueAt: NOW + 500,
      expedited: true,
    });
  });

  test('delays no probe', () => {
    const soon = { dueAt: NOW + 100, expedited: false };
    expect(expedite(soon, NOW + 500, Number.NEGATIVE_INFINITY)).toBe(soon);
  });

  test('within the rate limit brings the probe forward to its end only', () => {
    const rateLimitedUntil = NOW + 10_000;
    expect(expedite(REGULAR, NOW + 500, rateLimitedUntil)).toEqual({
      dueAt: rateLimitedUntil,
      expedited: true,
    });
    expect(expedite(REGULAR, NOW + 500, REGULAR.dueAt)).toBe(REGULAR);
  });

  test('causes one expedited probe in an interval, however many events arrive', () => {
    let due = REGULAR;
    let rateLimitedUntil = Number.NEGATIVE_INFINITY;
    const expeditedAt: number[] = [];
    for (let now = NOW; now < NOW + 10 * INTERVAL_MS; now += 1_000) {
      due = expedite(due, now, rateLimitedUntil);
      if (due.dueAt > now) continue;
      if (due.expedited) expeditedAt.push(now);
      rateLimitedUntil = nextRateLimit(due, rateLimitedUntil, now, INTERVAL_MS);
      due = { dueAt: now + INTERVAL_MS, expedited: false };
    }
    expect(expeditedAt[0]).toBe(NOW);
    expect(expeditedAt.length).toBeLessThanOrEqual(10);
  });

  test('is not limited by a regular probe', () => {
    expect(nextRateLimit(REGULAR, 7, NOW, INTERVAL_MS)).toBe(7);
    expect(nextRateLimit({ ...REGULAR, expedited: true }, 7, NOW, INTERVAL_MS)).toBe(NOW + INTERVAL_MS);
  });
});
