import { beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ReconnectDelay } from '../../../src/daemon/reconnect-delay.ts';
import { type FakeClock, fakeClock } from '../../support/fake-clock.ts';

/** The upper ends of the first pauses, in milliseconds. */
const CEILINGS = [250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000];
const LONGEST = (): number => 1;

let clock: FakeClock;
let delay: ReconnectDelay;

beforeEach(() => {
  clock = fakeClock();
  delay = new ReconnectDelay(clock, LONGEST);
});

test('pauses grow from a quarter of a second to fifteen seconds', () => {
  expect(CEILINGS.map(() => delay.failed())).toEqual(CEILINGS);
  for (let attempt = 0; attempt < 2_000; attempt++) delay.failed();
  expect(delay.failed()).toBe(15_000);
});

test('jitter takes off half of a pause at most, so that exporters of many hosts spread', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(40), (random, failures) => {
      const jittered = new ReconnectDelay(clock, () => random);
      for (let attempt = 0; attempt < failures; attempt++) jittered.failed();
      const ceiling = CEILINGS[failures] ?? 15_000;
      const pause = jittered.failed();
      expect(pause).toBeGreaterThanOrEqual(ceiling / 2);
      expect(pause).toBeLessThanOrEqual(ceiling);
    }),
  );
});

test('an attempt is due at once at first, and again when the pause is over', async () => {
  expect(delay.remainingMs).toBe(0);
  delay.failed();
  expect(delay.remainingMs).toBe(250);
  await clock.advance(200);
  expect(delay.remainingMs).toBe(50);
  await clock.advance(1_000);
  expect(delay.remainingMs).toBe(0);
});

describe('after a connection', () => {
  const fail = (times: number): void => {
    for (let attempt = 0; attempt < times; attempt++) delay.failed();
  };

  test.each([
    // lasted (ms), was used, the next pause is the shortest again
    [0, false, false],
    [0, true, false],
    [999, true, false],
    [1_000, true, false],
    [5_000, true, true],
    [1_000, false, false],
    [9_999, false, false],
    [10_000, false, true],
    [3_600_000, true, true],
  ])('that lasted %i ms, used: %s, the growth begins anew: %s', async (lastedMs, isUsed, isReset) => {
    fail(5);
    delay.connected();
    if (isUsed) delay.used();
    await clock.advance(lastedMs);
    expect(delay.failed()).toBe(isReset ? 250 : 8_000);
  });

  test('the use of a former connection does not count for it', async () => {
    delay.connected();
    delay.used();
    delay.failed();
    delay.connected();
    await clock.advance(5_000);
    expect(delay.failed()).toBe(500);
  });

  test('that was good, a refusal begins with the shortest pause and grows on', async () => {
    fail(5);
    delay.connected();
    await clock.advance(60_000);
    expect([delay.failed(), delay.failed(), delay.failed()]).toEqual([250, 500, 1_000]);
  });

  test('that lasted, as its owner says, an attempt is due at once and pauses begin with the shortest', () => {
    fail(5);
    delay.connected();
    delay.reset();
    expect(delay.remainingMs).toBe(0);
    expect(delay.failed()).toBe(250);
  });
});

describe('several connections', () => {
  test('that end together, soon after they were opened, are one failure', async () => {
    const connections = [delay.connected(), delay.connected(), delay.connected()];
    await clock.advance(1_000);
    for (const connection of connections) delay.ended(connection);
    expect(delay.remainingMs).toBe(250);
    await clock.advance(250);
    delay.ended(delay.connected());
    expect(delay.remainingMs).toBe(500);
  });

  test.each([
    // lasted (ms), was used, the next one is opened at once
    [4_999, true, false],
    [5_000, true, true],
    [9_999, false, false],
    [10_000, false, true],
  ])('of which one ends after %i ms, used: %s, at once: %s', async (lastedMs, isUsed, isAtOnce) => {
    const first = delay.connected();
    if (isUsed) delay.used(first);
    await clock.advance(lastedMs - 1_000);
    const second = delay.connected();
    await clock.advance(1_000);
    delay.ended(first);
    expect(delay.remainingMs).toBe(isAtOnce ? 0 : 250);
    // What is known of the first says nothing about the second.
    delay.reset();
    delay.ended(second);
    expect(delay.remainingMs).toBe(250);
  });
});

describe('a daemon that fails', () => {
  const ENDED = false;
  const REFUSED = true;

  test.each([
    ['ends one connection, as at its restart', [ENDED], false],
    ['ends two in a row', [ENDED, ENDED], true],
    ['was away between two', [ENDED, REFUSED, ENDED], false],
    ['only refuses connections', [REFUSED, REFUSED, REFUSED], false],
    ['was away and then ends two', [ENDED, REFUSED, ENDED, ENDED], true],
  ])('and %s: flapping %s', (_, attempts, isFlapping) => {
    for (const isRefused of attempts) delay.failed(isRefused);
    expect(delay.isFlapping).toBe(isFlapping);
  });

  test('is no longer flapping once the pause is over', async () => {
    delay.failed();
    delay.failed();
    await clock.advance(500);
    expect(delay.isFlapping).toBe(false);
  });

  test('is no longer flapping after a connection that lasted', async () => {
    delay.failed();
    delay.failed();
    delay.connected();
    await clock.advance(10_000);
    delay.failed();
    expect(delay.isFlapping).toBe(false);
  });
});
