import { describe, expect, test } from '@jest/globals';
import { encodeFrame, type Frame, FrameReader, MAX_FRAME_BYTES } from '../../../src/libvirt/frame.ts';
import {
  AUTH_LIST_REPLY,
  AUTHENTICATION_REQUIRED_REPLY,
  CONNECT_OPEN_REPLY,
  GET_VERSION_REPLY,
  NO_DOMAIN_REPLY,
  SUSPENDED_EVENT,
} from '../../fixtures/rpc/frames.ts';

const recorded = [
  AUTHENTICATION_REQUIRED_REPLY,
  AUTH_LIST_REPLY,
  CONNECT_OPEN_REPLY,
  GET_VERSION_REPLY,
  NO_DOMAIN_REPLY,
  SUSPENDED_EVENT,
];
const all = Buffer.concat(recorded);
const expected = new FrameReader().push(all);

function read(chunks: readonly Buffer[]): Frame[] {
  const reader = new FrameReader();
  return chunks.flatMap((chunk) => reader.push(chunk));
}

describe('frames are the same however the stream is cut', () => {
  test('whole', () => {
    expect(expected.map(({ procedure, serial, status }) => [procedure, serial, status])).toEqual([
      [4, 1, 1],
      [66, 2, 0],
      [1, 3, 0],
      [4, 4, 0],
      [14, 8, 1],
      [318, 0, 0],
    ]);
  });

  test('byte by byte', () => {
    expect(read([...all].map((byte) => Buffer.from([byte])))).toEqual(expected);
  });

  test('in two at every boundary', () => {
    for (let at = 0; at <= all.length; at++) {
      expect(read([all.subarray(0, at), all.subarray(at)])).toEqual(expected);
    }
  });
});

test('encoding a decoded frame gives its bytes', () => {
  for (const bytes of recorded) {
    const [frame] = read([bytes]);
    expect(frame && encodeFrame(frame, frame.payload)).toEqual(bytes);
  }
});

test.each([0, 4, 27, MAX_FRAME_BYTES + 1, 0xffff_ffff])('a frame of %i bytes is refused', (length) => {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(length);
  expect(() => read([head])).toThrow(/frame of/);
});

test('a large frame in many pieces does not take quadratic time', () => {
  const payload = Buffer.alloc(16 * 1024 * 1024, 1);
  const header = { program: 0x20008086, version: 1, procedure: 14, type: 1, serial: 1, status: 0 };
  const bytes = encodeFrame(header, payload);
  const reader = new FrameReader();
  let joined = 0;
  const concat = Buffer.concat;
  Buffer.concat = (list, total) => {
    joined += total ?? 0;
    return concat(list, total);
  };
  try {
    for (let at = 0; at < bytes.length; at += 65_536) reader.push(bytes.subarray(at, at + 65_536));
  } finally {
    Buffer.concat = concat;
  }
  expect(joined).toBeLessThan(3 * bytes.length);
});
