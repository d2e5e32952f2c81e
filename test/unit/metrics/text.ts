import { TextBuffer } from '../../../src/metrics/text-buffer.ts';

/** A finished text, as a scrape hands it over. */
export function textBufferOf(...pieces: readonly string[]): TextBuffer {
  const out = new TextBuffer([]);
  for (const piece of pieces) out.write(piece);
  return out;
}

/** What a writer writes, as a string. */
export function textOf(write: (out: TextBuffer) => void): string {
  const out = new TextBuffer([]);
  write(out);
  return Buffer.concat(out.finish()).toString();
}
