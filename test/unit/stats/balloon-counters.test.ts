import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { BalloonCounters } from '../../../src/stats/balloon-counters.ts';

const MINUTE = 60_000;
let now: number;
let counters: BalloonCounters;

beforeEach(() => {
  now = 1_000_000;
  jest.spyOn(performance, 'now').mockImplementation(() => now);
  counters = new BalloonCounters();
});
afterEach(() => {
  jest.restoreAllMocks();
});

const check = (fields: Readonly<Record<string, number>>, afterMs = MINUTE): Record<string, number> => {
  now += afterMs;
  return Object.fromEntries(counters.check('run', new Map(Object.entries(fields))));
};
const FIRST = { current: 5, swap_in: 1_000, swap_out: 2_000, minor_fault: 3_000 };

test('counters that rise are served as they are, and so is everything else', () => {
  check(FIRST);
  const next = { current: 3, swap_in: 1_500, swap_out: 2_000, minor_fault: 9_000 };
  expect(check(next)).toEqual(next);
});

test('one that falls alone is left out until it is back', () => {
  check(FIRST);
  expect(check({ ...FIRST, swap_in: 999 })).toEqual({ current: 5, swap_out: 2_000, minor_fault: 3_000 });
  expect(check({ ...FIRST, swap_in: 1_001 })).toMatchObject({ swap_in: 1_001 });
});

test('all that fall together restarted with the guest', () => {
  check(FIRST);
  const booted = { current: 5, swap_in: 0, swap_out: 1_500, minor_fault: 2_000 };
  expect(check(booted)).toEqual(booted);
});

test('a jump that no host can do is left out; what was before goes on', () => {
  check(FIRST);
  expect(check({ ...FIRST, swap_out: 2 ** 60 })).not.toHaveProperty('swap_out');
  expect(check({ ...FIRST, swap_out: 2_100 })).toMatchObject({ swap_out: 2_100 });
});

test('a lower value that stays is taken once a rate does not see the fall', () => {
  check(FIRST);
  expect(check({ ...FIRST, swap_in: 10 })).not.toHaveProperty('swap_in');
  expect(check({ ...FIRST, swap_in: 11 }, 5 * MINUTE)).not.toHaveProperty('swap_in');
  expect(check({ ...FIRST, swap_in: 12 })).toMatchObject({ swap_in: 12 });
  expect(check({ ...FIRST, swap_in: 13 })).toMatchObject({ swap_in: 13 });
});

test('another run begins anew', () => {
  check(FIRST);
  counters.keepOnly(new Set());
  expect(check({ ...FIRST, swap_in: 1 })).toMatchObject({ swap_in: 1 });
});
