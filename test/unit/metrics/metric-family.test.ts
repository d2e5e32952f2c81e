import { describe, expect, test } from '@jest/globals';
import { boolToNumber, counter, gauge, sanitizeLabel } from '../../../src/metrics/metric-family.ts';

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
  test('begin empty, and each with samples of its own', () => {
    const one = gauge('a', 'A.');
    one.samples.push({ labels: {}, value: 1 });
    expect(one).toEqual({ name: 'a', help: 'A.', type: 'gauge', samples: [{ labels: {}, value: 1 }] });
    expect(gauge('a', 'A.').samples).toEqual([]);
    expect(counter('b_total', 'B.')).toEqual({ name: 'b_total', help: 'B.', type: 'counter', samples: [] });
  });

  test('yes is 1, no is 0', () => {
    expect([boolToNumber(true), boolToNumber(false)]).toEqual([1, 0]);
  });
});
