import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeFrame, type Frame, FrameReader, MessageType, Program } from '../../src/libvirt/frame.ts';
import type { LibvirtTarget } from '../../src/libvirt/uri.ts';
import { XdrWriter } from '../../src/libvirt/xdr.ts';

/** What a fake daemon can do with one call. Calls arrive in order; answering is up to the handler. */
export interface IncomingCall extends Frame {
  readonly socket: Socket;
  readonly reply: (payload?: Buffer) => void;
  readonly fail: (number: number, message: string) => void;
}

export type CallHandler = (call: IncomingCall) => void;

export interface FakeLibvirtd {
  readonly path: string;
  /** Every frame received, keepalive answers included. */
  readonly received: readonly Frame[];
  readonly sockets: ReadonlySet<Socket>;
  /** Sends raw bytes to every client. */
  readonly send: (bytes: Buffer) => void;
  /** Resolves with the next frame received that satisfies the condition. */
  readonly waitFor: (condition: (frame: Frame) => boolean) => Promise<Frame>;
  readonly stop: () => Promise<void>;
}

/**
 * A daemon that speaks libvirt's framing over a real Unix socket and does with calls what a real one cannot be
 * made to do: hang, hang up, send torn or wrong frames.
 */
export async function startFakeLibvirtd(handler: CallHandler): Promise<FakeLibvirtd> {
  const directory = await mkdtemp(join(tmpdir(), 'fake-libvirtd-'));
  const path = join(directory, 'sock');
  const sockets = new Set<Socket>();
  const received: Frame[] = [];
  const waiters = new Set<(frame: Frame) => void>();
  const server = createServer((socket) => {
    sockets.add(socket);
    const frames = new FrameReader();
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (chunk: Buffer) => {
      for (const frame of frames.push(chunk)) {
        received.push(frame);
        for (const waiter of waiters) waiter(frame);
        if (frame.type === MessageType.call) handler(incomingCall(socket, frame));
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    path,
    received,
    sockets,
    send: (bytes) => {
      for (const socket of sockets) socket.write(bytes);
    },
    waitFor: (condition) =>
      new Promise((resolve) => {
        const waiter = (frame: Frame): void => {
          if (!condition(frame)) return;
          waiters.delete(waiter);
          resolve(frame);
        };
        waiters.add(waiter);
        const before = received.find(condition);
        if (before !== undefined) waiter(before);
      }),
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function incomingCall(socket: Socket, frame: Frame): IncomingCall {
  const { program, version, procedure, serial } = frame;
  const header = { program, version, procedure, type: MessageType.reply, serial };
  return {
    ...frame,
    socket,
    reply: (payload = Buffer.alloc(0)) => socket.write(encodeFrame({ ...header, status: 0 }, payload)),
    fail: (number, message) =>
      socket.write(encodeFrame({ ...header, status: 1 }, errorPayload(number, message))),
  };
}

function errorPayload(number: number, message: string): Buffer {
  const out = new XdrWriter().int(number).int(10);
  out.optional(message, (text) => out.string(text));
  return out.int(2).uint(0).uint(0).uint(0).uint(0).int(-1).int(-1).uint(0).finish();
}

/** Answers the calls of a client that connects, and leaves everything else to `handler`. */
export function afterHandshake(handler: CallHandler): CallHandler {
  return (call) => {
    switch (call.procedure) {
      case 66: // AUTH_LIST: none
        call.reply(new XdrWriter().uint(1).int(0).finish());
        break;
      case 1: // CONNECT_OPEN
      case 2: // CONNECT_CLOSE
        call.reply();
        break;
      case 60: // SUPPORTS_FEATURE
      case 316: // EVENT_CALLBACK_REGISTER_ANY
        call.reply(new XdrWriter().int(1).finish());
        break;
      default:
        handler(call);
    }
  };
}

export function eventFrame(procedure: number, payload: Buffer): Buffer {
  const header = {
    program: Program.remote,
    version: 1,
    procedure,
    type: MessageType.event,
    serial: 0,
    status: 0,
  };
  return encodeFrame(header, payload);
}

/** A target that leads to these sockets, for reading as for writing. */
export function targetOf(...sockets: readonly string[]): LibvirtTarget {
  return { readOnlySockets: sockets, readWriteSockets: sockets, connectName: 'qemu:///system' };
}
