import { connect, type Socket } from 'node:net';
import { LibvirtServerError, LibvirtTransportError, type TransportErrorCode } from './errors.ts';
import {
  encodeFrame,
  type Frame,
  FrameReader,
  MessageStatus,
  MessageType,
  PROGRAM_VERSION,
  Program,
} from './frame.ts';
import type { Procedure } from './procedures/procedure.ts';
import { readError } from './types.ts';
import { XdrReader, XdrWriter } from './xdr.ts';

/** libvirtd stops reading a client's socket at 5 unanswered calls (max_client_requests), keepalive messages included. */
export const MAX_IN_FLIGHT = 4;
/** Most calls that wait to be sent. More of them mean that libvirt has stopped answering. */
const MAX_QUEUED = 4096;
const MAX_ERROR_CHARACTERS = 1024;
const RECEIVE_BYTES = 64 * 1024;

const Keepalive = { ping: 1, pong: 2 } as const;

export interface ConnectionEvents {
  /** An event message arrived. Throwing ends the connection with a protocol error. */
  readonly onEvent: (procedure: number, payload: XdrReader) => void;
  /** Called once, when the connection has ended for any reason, {@link RpcConnection.close} included. */
  readonly onClose: (reason: LibvirtTransportError) => void;
  /** Called for each call that is written to the socket. */
  readonly onCallSent: (procedure: string) => void;
}

interface RpcCall {
  readonly procedure: Procedure<never, unknown>;
  readonly payload: Buffer;
  /** Undefined for a call without a deadline. */
  readonly timeoutMs: number | undefined;
  readonly timer: NodeJS.Timeout | undefined;
  readonly resolve: (reply: unknown) => void;
  readonly reject: (error: Error) => void;
  /** The deadline has passed: the caller has its error, and the daemon still works on the call. */
  abandoned: boolean;
}

/**
 * One connection to a libvirt daemon's Unix socket: frames, serial numbers, the limit of calls in flight, deadlines and
 * keepalive. Every call settles exactly once.
 */
export class RpcConnection {
  readonly #socket: Socket;
  readonly #events: ConnectionEvents;
  readonly #frames = new FrameReader();
  readonly #inFlight = new Map<number, RpcCall>();
  readonly #queue = new Set<RpcCall>();
  #serial = 0;
  #closeReason: LibvirtTransportError | undefined;

  private constructor(socket: Socket, events: ConnectionEvents) {
    this.#socket = socket;
    this.#events = events;
    socket.on('error', (cause) =>
      this.#end('ERR_LIBVIRT_CLOSED', `connection failed: ${cause.message}`, cause),
    );
    socket.on('close', () => this.#end('ERR_LIBVIRT_CLOSED', 'libvirt closed the connection'));
  }

  /**
   * Opens the socket at `path`.
   * @throws LibvirtTransportError ERR_LIBVIRT_CONNECT, with the system error as its cause
   */
  static open(path: string, timeoutMs: number, events: ConnectionEvents): Promise<RpcConnection> {
    return new Promise((resolve, reject) => {
      let connection: RpcConnection | undefined;
      // One buffer for all that is received: libvirt answers with a few kilobytes, for which Node.js would allocate 64 KiB.
      const buffer = Buffer.allocUnsafeSlow(RECEIVE_BYTES);
      const callback = (bytes: number): boolean => {
        if (connection !== undefined) connection.#receive(buffer.subarray(0, bytes));
        return true;
      };
      const socket = connect({ path, onread: { buffer, callback } });
      const fail = (message: string, cause?: Error): void => {
        clearTimeout(timer);
        socket.destroy();
        reject(new LibvirtTransportError('ERR_LIBVIRT_CONNECT', `${path}: ${message}`, { cause }));
      };
      const onError = (error: Error): void => fail(error.message, error);
      const timer = setTimeout(() => fail(`no connection within ${timeoutMs} ms`), timeoutMs);
      socket.once('error', onError);
      socket.once('connect', () => {
        clearTimeout(timer);
        socket.off('error', onError);
        connection = new RpcConnection(socket, events);
        resolve(connection);
      });
    });
  }

  get isOpen(): boolean {
    return this.#closeReason === undefined;
  }

  /** Open, and no call is unanswered past its deadline. */
  get isAnswering(): boolean {
    return this.isOpen && this.#abandoned() === 0;
  }

  /** Number of calls that {@link RpcConnection.send} can send before libvirt answers one. */
  get room(): number {
    return this.isOpen ? MAX_IN_FLIGHT - this.#inFlight.size - this.#queue.size : 0;
  }

  /**
   * Sends a call at once, without a deadline. The promise settles when the daemon has answered or the connection has ended,
   * so the daemon works on the call for as long as the promise is pending.
   * @throws LibvirtServerError when libvirt answers with an error
   * @throws LibvirtTransportError when the connection ends first, or has no {@link RpcConnection.room}
   */
  send<Args, Reply>(procedure: Procedure<Args, Reply>, args: Args): Promise<Reply> {
    if (this.room <= 0) {
      const full = new LibvirtTransportError('ERR_LIBVIRT_CLOSED', 'the connection has no room for a call');
      return Promise.reject(this.#closeReason ?? full);
    }
    return this.#enqueue(procedure, args, undefined);
  }

  /**
   * Calls a procedure and decodes its reply. `timeoutMs` includes the time that the call waits to be sent.
   * @throws LibvirtServerError when libvirt answers with an error
   * @throws LibvirtTransportError when there is no answer in time, or the connection ends first
   */
  call<Args, Reply>(procedure: Procedure<Args, Reply>, args: Args, timeoutMs: number): Promise<Reply> {
    if (this.#closeReason !== undefined) return Promise.reject(this.#closeReason);
    if (this.#queue.size >= MAX_QUEUED) {
      const message = `${MAX_QUEUED} calls already wait to be sent`;
      return Promise.reject(new LibvirtTransportError('ERR_LIBVIRT_UNRESPONSIVE', message));
    }
    return this.#enqueue(procedure, args, timeoutMs);
  }

  /** Ends the connection; unanswered calls reject with ERR_LIBVIRT_CLOSED. */
  close(): void {
    this.#end('ERR_LIBVIRT_CLOSED', 'closed by the exporter');
  }

  #enqueue<Args, Reply>(
    procedure: Procedure<Args, Reply>,
    args: Args,
    timeoutMs: number | undefined,
  ): Promise<Reply> {
    return new Promise<Reply>((resolve, reject) => {
      const payload = new XdrWriter();
      procedure.encode(payload, args);
      const pending: RpcCall = {
        procedure: procedure as Procedure<never, Reply>,
        payload: payload.finish(),
        timeoutMs,
        timer: timeoutMs === undefined ? undefined : setTimeout(() => this.#expire(pending), timeoutMs),
        resolve: (reply) => resolve(reply as Reply),
        reject,
        abandoned: false,
      };
      this.#queue.add(pending);
      this.#sendQueued();
    });
  }

  #sendQueued(): void {
    if (this.#queue.size === 0 || this.#inFlight.size >= MAX_IN_FLIGHT) return;
    // Calls that are written together wake the daemon once.
    this.#socket.cork();
    process.nextTick(() => this.#socket.uncork());
    for (const pending of this.#queue) {
      if (this.#inFlight.size >= MAX_IN_FLIGHT) return;
      this.#queue.delete(pending);
      this.#serial = (this.#serial % 0xffff_ffff) + 1;
      this.#inFlight.set(this.#serial, pending);
      this.#send(
        pending.procedure.program,
        pending.procedure.number,
        MessageType.call,
        this.#serial,
        pending.payload,
      );
      this.#events.onCallSent(pending.procedure.name);
    }
  }

  #send(program: number, procedure: number, type: number, serial: number, payload: Buffer): void {
    const header = { program, version: PROGRAM_VERSION, procedure, type, serial, status: MessageStatus.ok };
    this.#socket.write(encodeFrame(header, payload));
  }

  #expire(pending: RpcCall): void {
    const error = new LibvirtTransportError(
      'ERR_LIBVIRT_TIMEOUT',
      `${pending.procedure.name}: no answer within ${pending.timeoutMs} ms`,
    );
    if (this.#queue.delete(pending)) {
      pending.reject(error);
      return;
    }
    // The call stays in flight: the daemon counts the call until it has answered.
    pending.abandoned = true;
    pending.reject(error);
    if (this.#abandoned() >= MAX_IN_FLIGHT) {
      this.#end('ERR_LIBVIRT_UNRESPONSIVE', `libvirt answered none of ${MAX_IN_FLIGHT} calls in time`);
    }
  }

  #abandoned(): number {
    return [...this.#inFlight.values()].filter(({ abandoned }) => abandoned).length;
  }

  #receive(chunk: Buffer): void {
    try {
      for (const frame of this.#frames.push(chunk)) {
        if (!this.isOpen) return;
        this.#dispatch(frame);
      }
    } catch (cause) {
      const detail = cause instanceof Error ? cause.message : String(cause);
      this.#end(
        'ERR_LIBVIRT_PROTOCOL',
        `libvirt sent a message that its protocol does not allow: ${detail}`,
        cause,
      );
    }
  }

  #dispatch(frame: Frame): void {
    if (frame.version !== PROGRAM_VERSION) throw new Error(`program version ${frame.version}`);
    if (frame.program === Program.keepalive) {
      if (frame.procedure === Keepalive.ping) {
        this.#send(Program.keepalive, Keepalive.pong, MessageType.event, 0, Buffer.alloc(0));
      }
      return;
    }
    if (frame.program !== Program.remote && frame.program !== Program.qemu) {
      throw new Error(`unknown program 0x${frame.program.toString(16)}`);
    }
    if (frame.type === MessageType.event) {
      this.#events.onEvent(frame.procedure, new XdrReader(frame.payload));
    } else if (frame.type === MessageType.reply) {
      this.#settle(frame);
    } else {
      throw new Error(`unexpected message type ${frame.type}`);
    }
  }

  #settle(frame: Frame): void {
    const pending = this.#inFlight.get(frame.serial);
    if (pending === undefined) throw new Error(`a reply with serial ${frame.serial}, which no call has`);
    const { procedure } = pending;
    if (frame.program !== procedure.program || frame.procedure !== procedure.number) {
      throw new Error(`a reply of procedure ${frame.procedure} to ${procedure.name}`);
    }
    const result = decodeReply(procedure, frame);
    this.#inFlight.delete(frame.serial);
    clearTimeout(pending.timer);
    if (!pending.abandoned) {
      if (result instanceof LibvirtServerError) pending.reject(result);
      else pending.resolve(result);
    }
    this.#sendQueued();
  }

  #end(code: TransportErrorCode, message: string, cause?: unknown): void {
    if (this.#closeReason !== undefined) return;
    const reason = new LibvirtTransportError(code, message, { cause });
    this.#closeReason = reason;
    this.#socket.destroy();
    for (const pending of [...this.#inFlight.values(), ...this.#queue]) {
      clearTimeout(pending.timer);
      if (!pending.abandoned) pending.reject(reason);
    }
    this.#inFlight.clear();
    this.#queue.clear();
    this.#events.onClose(reason);
  }
}

function decodeReply(procedure: Procedure<never, unknown>, frame: Frame): unknown {
  const reader = new XdrReader(frame.payload);
  if (frame.status === MessageStatus.error) {
    const { number, domain, message } = readError(reader);
    // The message can contain text of any length from a guest's agent.
    const text = message?.slice(0, MAX_ERROR_CHARACTERS) ?? `libvirt error ${number} without a message`;
    return new LibvirtServerError(number, domain, text);
  }
  if (frame.status !== MessageStatus.ok) throw new Error(`reply status ${frame.status}`);
  const reply = procedure.decode(reader);
  reader.end();
  return reply;
}
