import { expect, test } from '@jest/globals';
import { describeState, STATE_REASONS } from '../../../src/collectors/state-reasons.ts';

test.each([
  [1, 1, 'running', 'booted'],
  [1, 11, 'running', 'postcopy_failed'],
  [3, 1, 'paused', 'user'],
  [3, 5, 'paused', 'ioerror'],
  [3, 8, 'paused', 'shutting_down'],
  [3, 14, 'paused', 'api_error'],
  [5, 5, 'shutoff', 'saved'],
  [5, 8, 'shutoff', 'daemon'],
  [6, 1, 'crashed', 'panicked'],
  [0, 0, 'nostate', 'unknown'],
  // Of a newer libvirt.
  [3, 99, 'paused', 'unknown'],
  [7, -1, 'pmsuspended', 'unknown'],
])('state %d with reason %d is %s, %s', (number, code, state, reason) => {
  expect(describeState(number, code)).toEqual({ state, reason });
  expect(STATE_REASONS).toContain(reason);
});

test.each([-1, 8, 99])('state %d is unknown', (state) => {
  expect(describeState(state, 0)).toBeUndefined();
});
