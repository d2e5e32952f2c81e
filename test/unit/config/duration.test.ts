import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseDuration } from '../../../src/config/duration.ts';

describe('parseDuration', () => {
  test.each([
    ['1ms', 1],
    ['250ms', 250],
    ['5s', 5_000],
    ['1.5s', 1_500],
    ['0.001s', 1],
    ['2m', 120_000],
    ['1h', 3_600_000],
    ['24h', 86_400_000],
    ['1440m', 86_400_000],
    ['007s', 7_000],
  ])('%s is %i ms', (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds);
  });

  test.each([
    [''],
    ['5'],
    ['s'],
    ['0s'],
    ['0.0001s'],
    ['0.4ms'],
    ['-5s'],
    ['+5s'],
    ['5 s'],
    [' 5s'],
    ['5s\n'],
    ['5S'],
    ['5sec'],
    ['5d'],
    ['1h30m'],
    ['.5s'],
    ['5.s'],
    ['1e3s'],
    ['0x5s'],
    ['NaNs'],
    ['25h'],
    ['86400001ms'],
    ['9999999999s'],
    ['５s'],
  ])('%j is none', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  test('of any text: nothing, or a time between a millisecond and a day', () => {
    const texts = fc.oneof(fc.string(), fc.stringMatching(/^\d{0,12}(\.\d{0,4})?(ms|s|m|h)$/));
    fc.assert(
      fc.property(texts, (text) => {
        const milliseconds = parseDuration(text) ?? 1;
        expect(Number.isInteger(milliseconds)).toBe(true);
        expect(milliseconds).toBeGreaterThanOrEqual(1);
        expect(milliseconds).toBeLessThanOrEqual(86_400_000);
      }),
    );
  });
});
