import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type ChunkPool, TextBuffer } from '../../../src/metrics/text-buffer.ts';
import { textOf } from './text.ts';

const CHUNK = 64 * 1024;
const escaped = (text: string): string =>
  text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
/** As UTF-8 has it, where lone surrogates cannot be said. */
const encoded = (text: string): string => Buffer.from(text).toString();
const textIn = (out: TextBuffer): string => Buffer.concat(out.finish()).toString();

describe('TextBuffer', () => {
  test('nothing written is nothing', () => {
    expect(textOf(() => undefined)).toBe('');
    expect(textOf((out) => out.write(''))).toBe('');
  });

  test.each([
    ['plain', 'plain'],
    ['say "hi"', 'say \\"hi\\"'],
    ['C:\\x', 'C:\\\\x'],
    ['a\nb', 'a\\nb'],
    ['\\n', '\\\\n'],
    ['\\"\n', '\\\\\\"\\n'],
    ['é"', 'é\\"'],
    ['"é', '\\"é'],
    ['😀\\', '😀\\\\'],
    ['tab\tand\rreturn', 'tab\tand\rreturn'],
    ['', ''],
  ])('%j escaped is %j', (text, expected) => {
    expect(textOf((out) => out.writeEscaped(text))).toBe(expected);
    expect(textOf((out) => out.write(text))).toBe(text);
  });

  test('half an emoji becomes the replacement character', () => {
    expect(textOf((out) => out.write('a\ud83d'))).toBe('a\ufffd');
    expect(textOf((out) => out.writeEscaped('\ude00"'))).toBe('\ufffd\\"');
  });

  test('any texts come out in order', () => {
    const piece = fc.tuple(fc.boolean(), fc.string({ unit: 'binary' }));
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const expected = pieces.map(([asLabel, text]) => encoded(asLabel ? escaped(text) : text)).join('');
        const actual = textOf((out) => {
          for (const [asLabel, text] of pieces) asLabel ? out.writeEscaped(text) : out.write(text);
        });
        expect(actual).toBe(expected);
      }),
    );
  });

  test.each([
    ['one byte', 'x'],
    ['an escaped byte', '"'],
    ['two bytes', 'é'],
    ['three bytes', '€'],
    ['four bytes', '😀'],
    ['all of these', 'x"é€😀\\\n'],
  ])('text of %s across the ends of chunks', (_case, unit) => {
    for (const lead of [CHUNK - 30, CHUNK - 3, CHUNK - 2, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK]) {
      const actual = textOf((out) => {
        for (let index = 0; index < lead; index += 1_000)
          out.write('l'.repeat(Math.min(1_000, lead - index)));
        for (let index = 0; index < 20; index++) out.writeEscaped(unit);
      });
      expect(actual.slice(lead)).toBe(escaped(unit).repeat(20));
      expect(actual.slice(0, lead) === 'l'.repeat(lead)).toBe(true);
    }
  });

  test.each([[1], [CHUNK / 3], [CHUNK / 3 + 1], [CHUNK], [CHUNK + 1], [5 * CHUNK]])(
    'one text of %d characters, between others',
    (length) => {
      const long = '€'.repeat(length);
      const actual = textOf((out) => {
        out.write('a');
        out.write(long);
        out.writeEscaped('b"');
      });
      expect(actual === `a${long}b\\"`).toBe(true);
    },
  );
});

describe('the chunks', () => {
  // Compared here, as a failure should not print it all.
  const holdsOnly = (out: TextBuffer, letter: string, length: number): boolean =>
    textIn(out) === letter.repeat(length);
  const fill = (out: TextBuffer, letter: string, chunks: number): void => {
    for (let index = 0; index < chunks * 80; index++) out.write(letter.repeat(1_000));
  };

  test('of a text that is no longer read serve the next one', () => {
    const pool: ChunkPool = [];
    const first = new TextBuffer(pool);
    fill(first, 'a', 3);
    const memory = new Set(first.finish().map(({ buffer }) => buffer));
    first.release();
    expect(pool).toHaveLength(memory.size);
    const second = new TextBuffer(pool);
    fill(second, 'b', 3);
    expect(second.finish().filter(({ buffer }) => !memory.has(buffer))).toEqual([]);
    expect(holdsOnly(second, 'b', 240_000)).toBe(true);
  });

  test('are never shared by two texts that are written at once', () => {
    const pool: ChunkPool = [];
    const earlier = new TextBuffer(pool);
    fill(earlier, 'x', 4);
    earlier.release();
    const one = new TextBuffer(pool);
    const two = new TextBuffer(pool);
    for (let index = 0; index < 5; index++) {
      fill(one, 'a', 1);
      fill(two, 'b', 1);
    }
    expect(holdsOnly(one, 'a', 400_000)).toBe(true);
    expect(holdsOnly(two, 'b', 400_000)).toBe(true);
  });

  test('are whole again after a release, and an outsize one is not kept', () => {
    const pool: ChunkPool = [];
    const out = new TextBuffer(pool);
    out.write('short');
    out.write('x'.repeat(CHUNK));
    out.write('after');
    out.release();
    expect(pool.map(({ length }) => length)).toEqual([CHUNK]);
  });

  test('are not kept without a bound', () => {
    const pool: ChunkPool = [];
    const out = new TextBuffer(pool);
    fill(out, 'x', 300);
    out.release();
    expect(pool.length).toBeLessThanOrEqual(256);
  });

  test('given back twice are not handed out twice', () => {
    const pool: ChunkPool = [];
    const out = new TextBuffer(pool);
    fill(out, 'x', 2);
    out.release();
    out.release();
    const one = new TextBuffer(pool);
    const two = new TextBuffer(pool);
    fill(one, 'a', 2);
    fill(two, 'b', 2);
    expect(holdsOnly(one, 'a', 160_000)).toBe(true);
    expect(holdsOnly(two, 'b', 160_000)).toBe(true);
  });
});
