import { afterEach, describe, expect, test } from '@jest/globals';
import { LibvirtServerError, LibvirtTransportError } from '../../../src/libvirt/errors.ts';
import { encodeFrame, MessageType, Program } from '../../../src/libvirt/frame.ts';
import { connectGetVersion } from '../../../src/libvirt/procedures/connection.ts';
import { type ConnectionEvents, MAX_IN_FLIGHT, RpcConnection } from '../../../src/libvirt/rpc-connection.ts';
import { XdrWriter } from '../../../src/libvirt/xdr.ts';
import { SUSPENDED_EVENT } from '../../fixtures/rpc/frames.ts';
import {
  type CallHandler,
  type FakeLibvirtd,
  type IncomingCall,
  startFakeLibvirtd,
} from '../../support/fake-libvirtd.ts';

const VERSION_PAYLOAD = Buffer.from('00000000006ad7a6', 'hex');
const LONG_MS = 30_000;

interface Opened {
  readonly daemon: FakeLibvirtd;
  readonly connection: RpcConnection;
  readonly closed: Promise<LibvirtTransportError>;
  readonly events: number[];
}

const opened: Opened[] = [];

async function open(handler: CallHandler, overrides: Partial<ConnectionEvents> = {}): Promise<Opened> {
  const daemon = await startFakeLibvirtd(handler);
  const events: number[] = [];
  let settle: (reason: LibvirtTransportError) => void = () => undefined;
  const closed = new Promise<LibvirtTransportError>((resolve) => {
    settle = resolve;
  });
  const connection = await RpcConnection.open(daemon.path, LONG_MS, {
    onCallSent: () => undefined,
    onClose: settle,
    onEvent: (procedure) => events.push(procedure),
    ...overrides,
  });
  const result = { daemon, connection, closed, events };
  opened.push(result);
  return result;
}

afterEach(async () => {
  for (const { daemon, connection } of opened.splice(0)) {
    connection.close();
    await daemon.stop();
  }
});

const version = (connection: RpcConnection, timeoutMs = LONG_MS) =>
  connection.call(connectGetVersion, undefined, timeoutMs);

test('a call gets its reply, also when replies come in another order', async () => {
  const waiting: IncomingCall[] = [];
  const { connection } = await open((call) => {
    waiting.push(call);
    if (waiting.length === 2) {
      for (const each of waiting.reverse()) each.reply(new XdrWriter().uint(0).uint(each.serial).finish());
    }
  });
  await expect(Promise.all([version(connection), version(connection)])).resolves.toEqual([1, 2]);
});

test("an error reply becomes a LibvirtServerError with libvirt's number and words", async () => {
  const { connection } = await open((call) => call.fail(42, 'Domain not found'));
  const error = await version(connection).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(LibvirtServerError);
  expect(error).toMatchObject({
    number: 42,
    domain: 10,
    message: 'Domain not found',
    code: 'ERR_LIBVIRT_SERVER',
  });
});

test('at most 4 calls are in flight; the rest wait for their turn', async () => {
  const waiting: IncomingCall[] = [];
  let most = 0;
  const { connection, daemon } = await open((call) => {
    waiting.push(call);
    most = Math.max(most, waiting.length);
  });
  const calls = Array.from({ length: 11 }, () => version(connection));
  await daemon.waitFor(({ serial }) => serial === MAX_IN_FLIGHT);
  for (let answered = 0; answered < calls.length; answered++) {
    const serial = answered + 1;
    await daemon.waitFor((frame) => frame.serial === serial);
    waiting.shift()?.reply(VERSION_PAYLOAD);
    await calls[answered];
  }
  expect(most).toBe(MAX_IN_FLIGHT);
});

test('keepalive pings are answered with pongs', async () => {
  const { daemon } = await open(() => undefined);
  const header = {
    program: Program.keepalive,
    version: 1,
    procedure: 1,
    type: MessageType.event,
    serial: 0,
    status: 0,
  };
  daemon.send(encodeFrame(header, Buffer.alloc(0)));
  const pong = await daemon.waitFor(({ program }) => program === Program.keepalive);
  expect(pong).toMatchObject({ procedure: 2, type: MessageType.event, serial: 0 });
});

test('events are handed on between replies', async () => {
  const { connection, events } = await open((call) => {
    call.socket.write(SUSPENDED_EVENT);
    call.reply(VERSION_PAYLOAD);
  });
  await version(connection);
  expect(events).toEqual([318]);
});

describe('deadlines', () => {
  test('a call that is not answered ends with ERR_LIBVIRT_TIMEOUT, and a reply after that is dropped', async () => {
    const waiting: IncomingCall[] = [];
    const { connection } = await open((call) => {
      if (call.serial === 1) waiting.push(call);
      else call.reply(VERSION_PAYLOAD);
    });
    expect(connection.isAnswering).toBe(true);
    await expect(version(connection, 20)).rejects.toMatchObject({ code: 'ERR_LIBVIRT_TIMEOUT' });
    expect(connection.isAnswering).toBe(false);
    waiting[0]?.reply(VERSION_PAYLOAD);
    await expect(version(connection)).resolves.toBe(7_002_022);
    expect(connection.isOpen).toBe(true);
    expect(connection.isAnswering).toBe(true);
  });

  test('an unanswered call keeps its place, since the daemon still counts it', async () => {
    const { connection, daemon } = await open(() => undefined);
    const short = Array.from({ length: MAX_IN_FLIGHT - 1 }, () => version(connection, 20));
    await Promise.allSettled(short);
    const [inFlight, queued] = [version(connection), version(connection, 20)];
    await expect(queued).rejects.toMatchObject({ code: 'ERR_LIBVIRT_TIMEOUT' });
    expect(daemon.received.filter(({ type }) => type === MessageType.call)).toHaveLength(MAX_IN_FLIGHT);
    connection.close();
    await expect(inFlight).rejects.toMatchObject({ code: 'ERR_LIBVIRT_CLOSED' });
  });

  test('when no place is left, the connection is given up', async () => {
    const { connection, closed } = await open(() => undefined);
    await Promise.allSettled(Array.from({ length: MAX_IN_FLIGHT }, () => version(connection, 20)));
    await expect(closed).resolves.toMatchObject({ code: 'ERR_LIBVIRT_UNRESPONSIVE' });
  });
});

describe('a dead socket settles every call exactly once', () => {
  test('hung up while calls are in flight and queued', async () => {
    const { connection, closed } = await open((call) => {
      if (call.serial === 3) call.socket.destroy();
    });
    const results = await Promise.allSettled(Array.from({ length: 9 }, () => version(connection)));
    expect(results.map((result) => result.status === 'rejected' && result.reason.code)).toEqual(
      Array(9).fill('ERR_LIBVIRT_CLOSED'),
    );
    await closed;
    await expect(version(connection)).rejects.toMatchObject({ code: 'ERR_LIBVIRT_CLOSED' });
  });

  test('torn off in the middle of a frame', async () => {
    const { connection } = await open((call) => {
      call.socket.end(Buffer.from('0000002420008086', 'hex'));
    });
    await expect(version(connection)).rejects.toMatchObject({ code: 'ERR_LIBVIRT_CLOSED' });
  });
});

describe('what the protocol does not allow ends the connection with ERR_LIBVIRT_PROTOCOL', () => {
  const header = {
    program: Program.remote,
    version: 1,
    procedure: 4,
    type: MessageType.reply,
    serial: 1,
    status: 0,
  };
  test.each<[string, Buffer]>([
    ['an oversized frame', Buffer.from('7fffffff', 'hex')],
    ['an undersized frame', Buffer.from('00000004', 'hex')],
    ['an unknown program', encodeFrame({ ...header, program: 0x1234 }, VERSION_PAYLOAD)],
    ['another program version', encodeFrame({ ...header, version: 2 }, VERSION_PAYLOAD)],
    ['a serial nobody waits for', encodeFrame({ ...header, serial: 99 }, VERSION_PAYLOAD)],
    ['a reply of another procedure', encodeFrame({ ...header, procedure: 7 }, VERSION_PAYLOAD)],
    ['a call from the daemon', encodeFrame({ ...header, type: MessageType.call }, VERSION_PAYLOAD)],
    ['a stream nobody opened', encodeFrame({ ...header, type: 3 }, VERSION_PAYLOAD)],
    ['an unknown status', encodeFrame({ ...header, status: 2 }, VERSION_PAYLOAD)],
    ['a payload that is too short', encodeFrame(header, VERSION_PAYLOAD.subarray(0, 4))],
    ['a payload that is too long', encodeFrame(header, Buffer.concat([VERSION_PAYLOAD, VERSION_PAYLOAD]))],
    ['an error reply that is cut', encodeFrame({ ...header, status: 1 }, VERSION_PAYLOAD.subarray(0, 4))],
  ])('%s', async (_name, bytes) => {
    const { connection, closed } = await open((call) => {
      call.socket.write(bytes);
    });
    await expect(version(connection)).rejects.toMatchObject({ code: 'ERR_LIBVIRT_PROTOCOL' });
    await expect(closed).resolves.toMatchObject({ code: 'ERR_LIBVIRT_PROTOCOL' });
  });

  test('an event that cannot be decoded', async () => {
    const { connection } = await open((call) => call.socket.write(SUSPENDED_EVENT), {
      onEvent: (_procedure, payload) => {
        payload.fixedOpaque(1000);
      },
    });
    await expect(version(connection)).rejects.toMatchObject({ code: 'ERR_LIBVIRT_PROTOCOL' });
  });
});

test('a socket that is not there is ERR_LIBVIRT_CONNECT with the path and the system error', async () => {
  const events = { onCallSent: () => undefined, onClose: () => undefined, onEvent: () => undefined };
  const error = await RpcConnection.open('/nonexistent/sock', LONG_MS, events).catch(
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(LibvirtTransportError);
  expect(error).toMatchObject({
    code: 'ERR_LIBVIRT_CONNECT',
    message: expect.stringContaining('/nonexistent/sock'),
  });
  expect(error).toHaveProperty('cause.code', 'ENOENT');
});
