/**
 * XDR primitives (RFC 4506): big-endian, every item padded to four bytes.
 * Readers throw {@link XdrError}; they never read past their buffer nor allocate by an unchecked length.
 */

/** The bytes do not hold what the message should: short, over a limit, or with bytes left over. */
export class XdrError extends Error {
  override readonly name = 'XdrError';
  readonly code = 'ERR_XDR';
}

/** A 64-bit integer: a number where that is exact, otherwise a bigint. Nothing is rounded silently. */
export type Integer64 = number | bigint;

function exactInteger(value: bigint): Integer64 {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

const padding = (length: number): number => (4 - (length % 4)) % 4;

export class XdrReader {
  readonly #bytes: Buffer;
  #offset = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  int(): number {
    return this.#bytes.readInt32BE(this.#take(4));
  }

  uint(): number {
    return this.#bytes.readUInt32BE(this.#take(4));
  }

  hyper(): Integer64 {
    return exactInteger(this.#bytes.readBigInt64BE(this.#take(8)));
  }

  uhyper(): Integer64 {
    const at = this.#take(8);
    const high = this.#bytes.readUInt32BE(at);
    // Nearly every value is below 2^53; this keeps BigInt off the hot path.
    if (high < 0x200000) return high * 0x1_0000_0000 + this.#bytes.readUInt32BE(at + 4);
    return this.#bytes.readBigUInt64BE(at);
  }

  double(): number {
    return this.#bytes.readDoubleBE(this.#take(8));
  }

  bool(): boolean {
    return this.uint() !== 0;
  }

  fixedOpaque(length: number): Buffer {
    const at = this.#take(length + padding(length));
    return this.#bytes.subarray(at, at + length);
  }

  string(maxBytes: number): string {
    const length = this.#length(maxBytes, 'string');
    const at = this.#take(length + padding(length));
    return this.#bytes.toString('utf8', at, at + length);
  }

  optional<T>(read: () => T): T | undefined {
    const present = this.uint();
    if (present > 1) throw new XdrError(`optional marker is ${present}, not 0 or 1`);
    return present === 1 ? read() : undefined;
  }

  array<T>(maxItems: number, read: () => T): T[] {
    const count = this.#length(maxItems, 'array');
    const items: T[] = [];
    for (let index = 0; index < count; index++) items.push(read());
    return items;
  }

  /** Asserts that the message has been read to its end. */
  end(): void {
    if (this.remaining !== 0) throw new XdrError(`${this.remaining} bytes left after the end of the message`);
  }

  #length(max: number, what: string): number {
    const length = this.uint();
    if (length > max) throw new XdrError(`${what} of ${length} exceeds its limit of ${max}`);
    return length;
  }

  #take(count: number): number {
    const at = this.#offset;
    if (count > this.remaining) {
      throw new XdrError(`message ends ${count - this.remaining} bytes short at offset ${at}`);
    }
    this.#offset = at + count;
    return at;
  }
}

const FIRST_BYTES = 256;

/** Encodes one message payload. Grows as needed; {@link finish} returns the bytes. */
export class XdrWriter {
  #bytes = Buffer.allocUnsafe(FIRST_BYTES);
  #length = 0;

  int(value: number): this {
    const at = this.#reserve(4);
    this.#bytes.writeInt32BE(value, at);
    return this;
  }

  uint(value: number): this {
    const at = this.#reserve(4);
    this.#bytes.writeUInt32BE(value, at);
    return this;
  }

  fixedOpaque(bytes: Buffer): this {
    const at = this.#reserve(bytes.length + padding(bytes.length));
    bytes.copy(this.#bytes, at);
    this.#bytes.fill(0, at + bytes.length, this.#length);
    return this;
  }

  string(value: string): this {
    const length = Buffer.byteLength(value, 'utf8');
    this.uint(length);
    const at = this.#reserve(length + padding(length));
    this.#bytes.write(value, at, 'utf8');
    this.#bytes.fill(0, at + length, this.#length);
    return this;
  }

  optional<T>(value: T | undefined, write: (present: T) => void): this {
    this.uint(value === undefined ? 0 : 1);
    if (value !== undefined) write(value);
    return this;
  }

  array<T>(items: readonly T[], write: (item: T) => void): this {
    this.uint(items.length);
    for (const item of items) write(item);
    return this;
  }

  finish(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Makes room for so many bytes; returns where they begin. */
  #reserve(count: number): number {
    const at = this.#length;
    this.#length = at + count;
    if (this.#length > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.#length, 2 * this.#bytes.length));
      this.#bytes.copy(grown, 0, 0, at);
      this.#bytes = grown;
    }
    return at;
  }
}
