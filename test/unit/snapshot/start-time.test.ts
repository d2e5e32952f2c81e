import { describe, expect, test } from '@jest/globals';
import { observedStart, StartTimes } from '../../../src/snapshot/start-time.ts';

const SEEN = { startedWithVersion: '7.2.22', startObservedSeconds: 1_000 };
const NOT_SEEN = { startedWithVersion: undefined, startObservedSeconds: undefined };

test.each<[string, boolean, number | undefined, object]>([
  ['no connection was lost since', true, undefined, SEEN],
  ['no connection was lost since, and the clock was set', true, 2_000, SEEN],
  ['the process is older than the event: it is the one', false, 998, SEEN],
  ['as far as the kernel tells the time', false, 1_000.9, SEEN],
  ['the process began later', false, 1_002, NOT_SEEN],
  ['the process cannot be seen', false, undefined, NOT_SEEN],
])('%s', (_case, startObserved, startSeconds, expected) => {
  const process = startSeconds === undefined ? undefined : { startSeconds };
  expect(observedStart({ ...SEEN, startObserved }, process)).toEqual(expected);
});

test('a start that was not seen stays so', () => {
  expect(observedStart({ ...NOT_SEEN, startObserved: false }, { startSeconds: 5 })).toEqual(NOT_SEEN);
});

describe('the start time of a run', () => {
  const run = { uuid: 'u', id: 1 };

  test('stays when a second source differs by seconds', () => {
    const starts = new StartTimes();
    expect(starts.of(run, undefined, 1_000)).toBe(1_000);
    expect(starts.of(run, 998.5, 1_000)).toBe(1_000);
    expect(starts.of(run, undefined, undefined)).toBe(1_000);
  });

  test('is corrected when the observed start was that of another moment', () => {
    const starts = new StartTimes();
    expect(starts.of(run, undefined, 5_000)).toBe(5_000);
    expect(starts.of(run, 1_000, 5_000)).toBe(1_000);
  });

  test('is that of another process, though a restarted daemon gave its run the same number', () => {
    const starts = new StartTimes();
    expect(starts.of(run, 1_000, undefined)).toBe(1_000);
    expect(starts.of(run, 1_001, undefined)).toBe(1_000);
    expect(starts.of(run, 1_003, undefined)).toBe(1_003);
  });

  test('is that of the run', () => {
    const starts = new StartTimes();
    starts.of(run, 1_000, undefined);
    expect(starts.of({ ...run, id: 2 }, 1_010, undefined)).toBe(1_010);
    expect(starts.of({ ...run, id: -1 }, undefined, undefined)).toBeUndefined();
    starts.keepOnly(new Set());
    expect(starts.of(run, undefined, 1_005)).toBe(1_005);
  });
});
