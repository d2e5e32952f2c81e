import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  formatRelease,
  formatVersion,
  nextRelease,
  parseQemuVersion,
  policyRelease,
  releaseOrdinal,
  releasesBetween,
} from '../../../src/drift/qemu-release.ts';

const HISTORY = [
  ...Array.from({ length: 6 }, (_, i) => `0.${10 + i}`),
  ...Array.from({ length: 8 }, (_, i) => `1.${i}`),
  ...Array.from({ length: 13 }, (_, i) => `2.${i}`),
  '3.0',
  '3.1',
  ...[4, 5, 6, 7, 8, 9, 10, 11, 12, 13].flatMap((major) => [0, 1, 2].map((minor) => `${major}.${minor}`)),
];

function release(text: string): { major: number; minor: number } {
  const [major, minor] = text.split('.');
  return { major: Number(major), minor: Number(minor) };
}

describe('the order of releases', () => {
  test.each(HISTORY.map((text, index) => [text, index] as const))('%s is number %i', (text, index) => {
    expect(releaseOrdinal(release(text))).toBe(index);
  });

  test.each(HISTORY.slice(0, -1).map((text, index) => [text, HISTORY[index + 1] ?? ''] as const))(
    'after %s comes %s',
    (text, next) => {
      expect(formatRelease(nextRelease(release(text)))).toBe(next);
    },
  );

  test.each([
    ['7.1', '7.2', 1],
    ['3.1', '5.2', 6],
    ['2.12', '3.0', 1],
    ['11.0', '10.2', -1],
  ])('from %s to %s it is %i', (older, newer, count) => {
    expect(releasesBetween(release(older), release(newer))).toBe(count);
  });

  test('a release that never was counts as the nearest of its major', () => {
    expect(releaseOrdinal(release('4.9'))).toBe(releaseOrdinal(release('4.2')));
    expect(releaseOrdinal(release('0.1'))).toBe(0);
  });

  test('is never inverted', () => {
    const number = fc.nat({ max: 999 });
    fc.assert(
      fc.property(number, number, number, number, (a, b, c, d) => {
        const [x, y] = [
          { major: a, minor: b },
          { major: c, minor: d },
        ];
        const later = x.major > y.major || (x.major === y.major && x.minor >= y.minor);
        expect(!later || releaseOrdinal(x) >= releaseOrdinal(y)).toBe(true);
      }),
    );
  });
});

describe('parseQemuVersion', () => {
  test.each([
    ['7.2.22', '7.2.22'],
    ['7.2', '7.2.0'],
    ['7.2.22Debian 1:7.2+dfsg-7+deb12u18', '7.2.22'],
    ['10.0.50 (v10.0.0-1-gabc)', '10.0.50'],
    [7002022, '7.2.22'],
    [11000003, '11.0.3'],
  ])('%p is %s', (input, version) => {
    const parsed = parseQemuVersion(input);
    expect(parsed && formatVersion(parsed)).toBe(version);
  });

  test.each([
    '',
    'unknown',
    '7',
    'v7.2',
    '7.2222',
    '1234.5',
    0,
    -1,
    1.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
  ])('%p is none', (input) => {
    expect(parseQemuVersion(input)).toBeUndefined();
  });
});

describe('policyRelease', () => {
  test.each([
    ['10.0.0', '10.0'],
    ['10.0.49', '10.0'],
    ['10.0.50', '10.1'],
    ['10.2.91', '11.0'],
  ])('%s applies the policy of %s', (version, applied) => {
    const parsed = parseQemuVersion(version);
    expect(parsed && formatRelease(policyRelease(parsed))).toBe(applied);
  });
});
