import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { addIncrease, type MonotonicSum } from '../../../src/host/monotonic-sum.ts';

const sums = (values: readonly number[]): number[] => {
  const found: number[] = [];
  let sum: MonotonicSum | undefined;
  for (const value of values) {
    sum = addIncrease(sum, value);
    found.push(sum.sum);
  }
  return found;
};

test('is the source, until the source restarts', () => {
  expect(sums([5, 5, 7, 2, 3, 0, 4])).toEqual([5, 5, 7, 9, 10, 10, 14]);
});

test('never falls, and grows by no more than the source had in all', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(), { minLength: 2 }), (values) => {
      const found = sums(values);
      found.forEach((sum, index) => {
        expect(sum).toBeGreaterThanOrEqual(found[index - 1] ?? 0);
        expect(sum - (found[index - 1] ?? 0)).toBeLessThanOrEqual(values[index] ?? 0);
      });
    }),
  );
});
