import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { XdrError, XdrReader, XdrWriter } from '../../../src/libvirt/xdr.ts';

const hex = (text: string): XdrReader => new XdrReader(Buffer.from(text.replaceAll(' ', ''), 'hex'));

describe('64-bit integers', () => {
  test.each([
    ['0000000000000000', 0],
    ['001fffffffffffff', Number.MAX_SAFE_INTEGER],
    ['0020000000000000', 2n ** 53n],
    ['ffffffffffffffff', 2n ** 64n - 1n],
  ])('unsigned %s is exact', (bytes, expected) => {
    expect(hex(bytes).uhyper()).toBe(expected);
  });

  test.each([
    ['ffffffffffffffff', -1],
    ['8000000000000000', -(2n ** 63n)],
    ['ffe0000000000001', -Number.MAX_SAFE_INTEGER],
  ])('signed %s is exact', (bytes, expected) => {
    expect(hex(bytes).hyper()).toBe(expected);
  });
});

test('strings are padded to four bytes, and any text survives the way there and back', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const bytes = new XdrWriter().string(text).finish();
      expect(bytes.length % 4).toBe(0);
      const reader = new XdrReader(bytes);
      expect(reader.string(4096)).toBe(Buffer.from(text).toString());
      reader.end();
    }),
  );
});

test('a string longer than its limit is refused before it is read', () => {
  expect(() => hex('00000005 68656c6c6f000000').string(4)).toThrow(XdrError);
});

test('an array that claims more items than there are bytes ends in an error, not in memory', () => {
  const reader = hex('00003fff 00000001');
  expect(() => reader.array(16_384, () => reader.uint())).toThrow(/short/);
});

test('an optional marker other than 0 and 1 is refused', () => {
  const reader = hex('00000002 00000000');
  expect(() => reader.optional(() => reader.uint())).toThrow(/marker/);
});

test('bytes left over are an error', () => {
  const reader = hex('00000001 00000002');
  reader.uint();
  expect(() => reader.end()).toThrow(/4 bytes left/);
});

test('no input makes a reader throw anything but XdrError', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      const reader = new XdrReader(Buffer.from(bytes));
      try {
        reader.optional(() => reader.string(32));
        reader.array(8, () => reader.uhyper());
        reader.double();
        reader.end();
      } catch (error) {
        expect(error).toBeInstanceOf(XdrError);
      }
    }),
  );
});
