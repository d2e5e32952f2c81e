import { XdrError } from './xdr.ts';

/**
 * Framing of libvirt's RPC (libvirt: src/rpc/virnetprotocol.x and docs/kbase/internals/rpc).
 * A frame is a u32 length that includes itself, a header of six u32, and an XDR payload.
 */

/** VIR_NET_MESSAGE_MAX of current libvirt, with the header; older daemons have smaller limits. */
export const MAX_FRAME_BYTES = 32 * 1024 * 1024 + 28;
const LENGTH_BYTES = 4;
const HEADER_BYTES = 24;
const MIN_FRAME_BYTES = LENGTH_BYTES + HEADER_BYTES;

export const Program = {
  remote: 0x20008086,
  qemu: 0x20008087,
  keepalive: 0x6b656570,
} as const;

export const PROGRAM_VERSION = 1;

export const MessageType = { call: 0, reply: 1, event: 2 } as const;

export const MessageStatus = { ok: 0, error: 1 } as const;

export interface FrameHeader {
  readonly program: number;
  readonly version: number;
  readonly procedure: number;
  readonly type: number;
  /** Calls count up from 1; a reply has the serial of its call, an event has 0. */
  readonly serial: number;
  readonly status: number;
}

export interface Frame extends FrameHeader {
  readonly payload: Buffer;
}

export function encodeFrame(header: FrameHeader, payload: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(MIN_FRAME_BYTES + payload.length);
  frame.writeUInt32BE(frame.length, 0);
  frame.writeUInt32BE(header.program, 4);
  frame.writeUInt32BE(header.version, 8);
  frame.writeInt32BE(header.procedure, 12);
  frame.writeInt32BE(header.type, 16);
  frame.writeUInt32BE(header.serial, 20);
  frame.writeInt32BE(header.status, 24);
  payload.copy(frame, MIN_FRAME_BYTES);
  return frame;
}

function decodeFrame(bytes: Buffer): Frame {
  return {
    program: bytes.readUInt32BE(4),
    version: bytes.readUInt32BE(8),
    procedure: bytes.readInt32BE(12),
    type: bytes.readInt32BE(16),
    serial: bytes.readUInt32BE(20),
    status: bytes.readInt32BE(24),
    payload: bytes.subarray(MIN_FRAME_BYTES),
  };
}

/**
 * Cuts a byte stream into frames. Chunks may end anywhere; they are joined once per frame, so a large frame that arrives
 * in many chunks is copied once.
 */
export class FrameReader {
  #chunks: Buffer[] = [];
  #buffered = 0;
  #expected: number | undefined;

  /**
   * Adds the next bytes and returns the frames that are now complete. Frames can share the memory of `chunk`: the caller may
   * reuse that memory only after it has read the frames.
   * @throws XdrError when a frame claims an impossible length; the rest of the stream cannot be read
   */
  push(chunk: Buffer): Frame[] {
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
    const frames: Frame[] = [];
    for (;;) {
      this.#expected ??= this.#readLength();
      if (this.#expected === undefined || this.#buffered < this.#expected) {
        this.#keepRest(chunk);
        return frames;
      }
      frames.push(decodeFrame(this.#take(this.#expected)));
      this.#expected = undefined;
    }
  }

  /** What is left over stays when the memory of `chunk` is used again. */
  #keepRest(chunk: Buffer): void {
    const last = this.#chunks.length - 1;
    const rest = this.#chunks[last];
    if (rest !== undefined && rest.buffer === chunk.buffer) this.#chunks[last] = Buffer.from(rest);
  }

  #readLength(): number | undefined {
    if (this.#buffered < LENGTH_BYTES) return undefined;
    const length = this.#join().readUInt32BE(0);
    if (length < MIN_FRAME_BYTES || length > MAX_FRAME_BYTES) {
      throw new XdrError(`frame of ${length} bytes; allowed are ${MIN_FRAME_BYTES} to ${MAX_FRAME_BYTES}`);
    }
    return length;
  }

  #take(length: number): Buffer {
    const joined = this.#join();
    this.#chunks = joined.length > length ? [joined.subarray(length)] : [];
    this.#buffered = joined.length - length;
    return joined.subarray(0, length);
  }

  #join(): Buffer {
    const [first] = this.#chunks;
    if (first !== undefined && this.#chunks.length === 1) return first;
    const joined = Buffer.concat(this.#chunks, this.#buffered);
    this.#chunks = [joined];
    return joined;
  }
}
