import { describe, expect, test } from '@jest/globals';
import {
  addBoolean,
  addSample,
  gauge,
  newFamily,
  sanitizeLabel,
} from '../../../src/metrics/metric-family.ts';

describe('sanitizeLabel', () => {
  test.each([
    [undefined, ''],
    ['', ''],
    ['/usr/bin/qemu-system-x86_64', '/usr/bin/qemu-system-x86_64'],
    ['quotes " and \\ stay', 'quotes " and \\ stay'],
    ['Ω 😀 ß', 'Ω 😀 ß'],
    ['a\nb\tc\rd\u0000e', 'a\ufffdb\ufffdc\ufffdd\ufffde'],
    ['\u001b[31m', '\ufffd[31m'],
    ['\u007f\u0085\u009f', '\ufffd\ufffd\ufffd'],
    ['\u00a0', '\u00a0'],
  ])('%j becomes %j', (text, label) => {
    expect(sanitizeLabel(text)).toBe(label);
  });

  test.each([
    [255, 255],
    [256, 256],
    [257, 256],
    [1_000_000, 256],
  ])('of %d characters %d are kept', (length, kept) => {
    expect(sanitizeLabel('x'.repeat(length))).toBe('x'.repeat(kept));
  });
});

describe('families', () => {
  const spec = gauge('a', 'A.', ['domain']);

  test('begin empty, and each with samples of its own', () => {
    const one = newFamily(spec);
    addSample(one, { domain: 'x' }, 2);
    expect(one).toEqual({ spec, samples: [{ labels: { domain: 'x' }, value: 2 }] });
    expect(newFamily(spec).samples).toEqual([]);
  });

  test('yes is 1, no is 0', () => {
    const family = newFamily(spec);
    addBoolean(family, {}, true);
    addBoolean(family, {}, false);
    expect(family.samples.map(({ value }) => value)).toEqual([1, 0]);
  });

  test('an unknown value has no sample, 0 has one', () => {
    const family = newFamily(spec);
    addSample(family, {}, undefined);
    addBoolean(family, {}, undefined);
    addSample(family, {}, 0);
    expect(family.samples).toEqual([{ labels: {}, value: 0 }]);
  });
});
