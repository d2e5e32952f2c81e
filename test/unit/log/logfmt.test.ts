import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { jsonLineToLogfmt } from '../../../src/log/logfmt.ts';

const logfmt = (event: unknown): string => jsonLineToLogfmt(`${JSON.stringify(event)}\n`);

describe('jsonLineToLogfmt', () => {
  test.each<[string, unknown, string]>([
    ['plain words', { level: 'info', msg: 'serving' }, 'level=info msg=serving'],
    [
      'the characters of times, paths and versions',
      { t: '2026-01-01T00:00:00.000Z', p: '/a/b-c_1+2@x' },
      't=2026-01-01T00:00:00.000Z p=/a/b-c_1+2@x',
    ],
    ['numbers, booleans and null', { n: -1.5, b: false, z: null }, 'n=-1.5 b=false z=null'],
    ['blanks', { msg: 'no connection' }, 'msg="no connection"'],
    ['an equals sign', { msg: 'a=b' }, 'msg="a=b"'],
    ['quotes', { msg: 'say "hi"' }, 'msg="say \\"hi\\""'],
    ['backslashes', { msg: 'C:\\x y' }, 'msg="C:\\\\x y"'],
    ['line breaks and tabs', { msg: 'a\nb\r\n\tc' }, 'msg="a\\nb\\r\\n\\tc"'],
    ['an escape sequence of a terminal', { msg: '\u001b[31mred' }, 'msg="\\u001b[31mred"'],
    ['nothing', { msg: '' }, 'msg=""'],
    ['other scripts', { msg: 'Ω😀' }, 'msg="Ω😀"'],
    [
      'a nested error',
      { err: { type: 'E', message: 'a b', cause: { code: 'X' } } },
      'err.type=E err.message="a b" err.cause.code=X',
    ],
    ['a list', { addresses: [':1', ':2'] }, 'addresses.0=:1 addresses.1=:2'],
    ['what holds nothing', { empty: {}, none: [], a: 1 }, 'a=1'],
    ['keys with blanks, quotes and equals signs', { 'a b': 1, 'c="d"': 2, 'e\nf': 3 }, 'a_b=1 c__d_=2 e_f=3'],
    ['nested keys with blanks', { 'a b': { 'c d': 1 } }, 'a_b.c_d=1'],
  ])('%s', (_case, event, expected) => {
    expect(logfmt(event)).toBe(`${expected}\n`);
  });

  test('a long value is cut', () => {
    const line = logfmt({ msg: 'x'.repeat(100_000), after: 1 });
    expect(line).toBe(`msg=${'x'.repeat(2_048)} after=1\n`);
  });

  test('a value cut in the middle of an emoji stays well-formed', () => {
    const line = logfmt({ msg: `${'x'.repeat(2_047)}😀` });
    expect(Buffer.from(line).toString()).toBe(line);
  });

  test('of any event: one line, never more', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()), (event) => {
        const line = logfmt(event);
        expect(line.endsWith('\n')).toBe(true);
        expect(line.slice(0, -1)).not.toMatch(/[\r\n]/);
      }),
    );
  });

  test('any text comes back from its quotes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 100 }), (msg) => {
        const value = logfmt({ msg }).slice('msg='.length, -1);
        expect(value.startsWith('"') ? JSON.parse(value) : value).toBe(msg);
      }),
    );
  });
});
