const CHUNK_BYTES = 64 * 1024;
/** A UTF-16 code unit takes at most three bytes of UTF-8. */
const MAX_BYTES_PER_UNIT = 3;
const BACKSLASH = 0x5c;
const QUOTE = 0x22;
const NEWLINE = 0x0a;
const LETTER_N = 0x6e;
const FIRST_NON_ASCII = 0x80;

/** Chunks beyond these (16 MiB of text) are not kept for the next scrape. */
const MAX_POOLED_CHUNKS = 256;

/** Chunks that one scrape leaves for the next, so that their text makes no garbage. */
export type ChunkPool = Buffer[];

/**
 * Text that is encoded when it is written. A scrape writes a hundred thousand short strings; joined as strings they
 * leave 5 MB of garbage for 200 domains, and the heap of the process grows.
 */
export class TextBuffer {
  readonly #pool: ChunkPool;
  readonly #full: Buffer[] = [];
  #chunk: Buffer;
  #at = 0;

  constructor(pool: ChunkPool) {
    this.#pool = pool;
    this.#chunk = this.#take();
  }

  /** Appends text as it is. */
  write(text: string): void {
    this.#append(text, false);
  }

  /** Appends a label value, with backslash, quote and newline escaped. */
  writeEscaped(text: string): void {
    this.#append(text, true);
  }

  /** The text that was written, in order; nothing may be written after this call. */
  finish(): readonly Buffer[] {
    return [...this.#full, this.#chunk.subarray(0, this.#at)];
  }

  /** Returns the memory to the pool; call this when nobody reads the result of {@link finish} any more. */
  release(): void {
    for (const chunk of [...this.#full.splice(0), this.#chunk]) {
      const whole = Buffer.from(chunk.buffer);
      if (whole.length === CHUNK_BYTES && this.#pool.length < MAX_POOLED_CHUNKS) this.#pool.push(whole);
    }
    this.#chunk = Buffer.alloc(0);
    this.#at = 0;
  }

  #take(): Buffer {
    return this.#pool.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES);
  }

  #append(text: string, escaped: boolean): void {
    this.#reserve(text.length * MAX_BYTES_PER_UNIT);
    const chunk = this.#chunk;
    const start = this.#at;
    let at = start;
    for (let index = 0; index < text.length; index++) {
      const unit = text.charCodeAt(index);
      if (unit >= FIRST_NON_ASCII) {
        this.#at = start + chunk.write(escaped ? escapeLabelValue(text) : text, start);
        return;
      }
      if (escaped && (unit === BACKSLASH || unit === QUOTE || unit === NEWLINE)) {
        chunk[at++] = BACKSLASH;
        chunk[at++] = unit === NEWLINE ? LETTER_N : unit;
      } else {
        chunk[at++] = unit;
      }
    }
    this.#at = at;
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#chunk.length) return;
    this.#full.push(this.#chunk.subarray(0, this.#at));
    this.#chunk = bytes > CHUNK_BYTES ? Buffer.allocUnsafeSlow(bytes) : this.#take();
    this.#at = 0;
  }
}

function escapeLabelValue(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
}
