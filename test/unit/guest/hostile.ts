import { expect } from '@jest/globals';
import fc from 'fast-check';
import { GuestReplyError, MAX_GUEST_TEXT_CHARACTERS } from '../../../src/guest/guest-text.ts';

/** What a parser makes of hostile input: its value, or undefined when it refuses in the documented way. */
export function parsedOrRefused<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    expectRefusal(error);
    return undefined;
  }
}

function expectRefusal(error: unknown): void {
  expect(error).toBeInstanceOf(GuestReplyError);
  expect((error as GuestReplyError).code).toBe('ERR_GUEST_REPLY');
  expect((error as GuestReplyError).message.length).toBeLessThan(160);
  expect((error as GuestReplyError).message).toMatch(/^[ -~]+$/);
  expect((error as GuestReplyError).cause).toBeUndefined();
}

/** A reply of the agent, as libvirt passes it on. */
export function reply(value: unknown): string {
  return JSON.stringify({ return: value });
}

export const anyText = fc.string({ unit: 'binary', maxLength: 400 });

/** JSON values of every kind, with those that break what does not look closely. */
export const anyValue: fc.Arbitrary<unknown> = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom<unknown>(-1, -0, 1e308, 2 ** 53, 2 ** 53 - 1, 0.5, 'NaN', '12', '', null, true, [], {}),
  anyText,
);

/** Mostly what is expected, at times anything, at times nothing at all. */
export function mostly(honest: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 12, arbitrary: honest }, { weight: 1, arbitrary: anyValue });
}

export const tick = fc.nat({ max: 2 ** 31 - 1 });

export function expectCleanText(text: string): void {
  expect([...text].length).toBeLessThanOrEqual(MAX_GUEST_TEXT_CHARACTERS);
  expect(text).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
}

/** Of a number that is served: finite, not negative, below 2^53; absent is as good. */
export function expectBoundedNumbers(values: Iterable<number | undefined>): void {
  for (const value of values) {
    if (value === undefined) continue;
    expect(Number.isFinite(value)).toBe(true);
    expect(value).toBeGreaterThanOrEqual(0);
    expect(value).toBeLessThan(2 ** 53);
    expect(Object.is(value, -0)).toBe(false);
  }
}
