import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { scatter } from '../../../src/stats/call-order.ts';

test('every item occurs once, whatever their number and the round', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 500 }), fc.nat(), (count, round) => {
      const items = Array.from({ length: count }, (_, index) => index);
      expect(scatter(items, round).sort((a, b) => a - b)).toEqual(items);
    }),
  );
});

test('neighbours are far apart', () => {
  const order = scatter(
    Array.from({ length: 200 }, (_, index) => index),
    7,
  );
  for (let at = 1; at < order.length; at++)
    expect(Math.abs((order[at] ?? 0) - (order[at - 1] ?? 0))).toBeGreaterThan(50);
});
