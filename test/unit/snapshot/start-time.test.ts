import { expect, test } from '@jest/globals';
import { observedStart } from '../../../src/snapshot/start-time.ts';

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
