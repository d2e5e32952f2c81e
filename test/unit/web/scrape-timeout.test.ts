import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { scrapeTimeoutMs } from '../../../src/web/scrape-timeout.ts';

const DEFAULT_MS = 9_500;

describe('scrapeTimeoutMs', () => {
  test.each([
    ['10', 9_500],
    ['10.000000', 9_500],
    ['60', 59_500],
    ['1.5', 1_000],
    [' 5 ', 4_500],
    ['1e1', 9_500],
    ['1', 500],
    ['0.5', 250],
    ['0.001', 0.5],
    ['120', 119_500],
    ['121', 119_500],
    ['1e300', 119_500],
    ['1e308', 119_500],
  ])('%j seconds leave %d ms', (header, milliseconds) => {
    expect(scrapeTimeoutMs(header)).toBe(milliseconds);
  });

  test.each([
    [undefined],
    [''],
    ['  '],
    ['0'],
    ['-0'],
    ['-1'],
    ['-1e300'],
    ['NaN'],
    ['Infinity'],
    ['-Infinity'],
    ['1e309'],
    ['ten'],
    ['10s'],
    ['10, 20'],
    ['10;q=1'],
    ['１０'],
    ['[object Object]'],
  ])('%j counts as what Prometheus waits by default', (header) => {
    expect(scrapeTimeoutMs(header)).toBe(DEFAULT_MS);
  });

  test('whatever the header says: above zero, and bounded', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.double().map(String)), (header) => {
        const milliseconds = scrapeTimeoutMs(header);
        expect(milliseconds).toBeGreaterThan(0);
        expect(milliseconds).toBeLessThanOrEqual(119_500);
      }),
    );
  });
});
