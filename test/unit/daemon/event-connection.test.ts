import { afterEach, describe, expect, test } from '@jest/globals';
import { LibvirtClient, type LibvirtClientOptions } from '../../../src/daemon/event-client.ts';
import { LibvirtSession } from '../../../src/daemon/event-connection.ts';
import { type DomainEvent, EVENT_KINDS } from '../../../src/libvirt/events.ts';
import { XdrWriter } from '../../../src/libvirt/xdr.ts';
import { SUSPENDED_EVENT } from '../../fixtures/rpc/frames.ts';
import {
  afterHandshake,
  type CallHandler,
  type FakeLibvirtd,
  startFakeLibvirtd,
  targetOf,
} from '../../support/fake-libvirtd.ts';

const LONG_MS = 30_000;
const cleanUps: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function daemonWith(handler: CallHandler): Promise<FakeLibvirtd> {
  const daemon = await startFakeLibvirtd(handler);
  cleanUps.push(daemon.stop);
  return daemon;
}

function options(
  socketPaths: readonly string[],
  more: Partial<LibvirtClientOptions> = {},
): LibvirtClientOptions {
  return {
    target: targetOf(...socketPaths),
    timeoutMs: LONG_MS,
    onCallSent: () => undefined,
    onClose: () => undefined,
    onDomainEvent: () => undefined,
    ...more,
  };
}

const answerVersion = afterHandshake((call) => call.reply(Buffer.from('00000000006ad7a6', 'hex')));
const authOffer = (...types: number[]): Buffer => {
  const out = new XdrWriter();
  out.array(types, (type) => out.int(type));
  return out.finish();
};

describe('connecting', () => {
  test('asks for the ways to authenticate before anything else, opens read-only, then subscribes', async () => {
    const daemon = await daemonWith(answerVersion);
    const client = await LibvirtClient.connect(options([daemon.path]));
    await client.close();
    expect(daemon.received.map(({ procedure }) => procedure)).toEqual([
      66, 60, 1, 316, 316, 316, 316, 316, 316, 316, 2,
    ]);
    const openFlags = daemon.received[2]?.payload.readUInt32BE(4 + 4 + 16);
    expect(openFlags).toBe(1);
  });

  test('takes the second socket when the first is not there', async () => {
    const daemon = await daemonWith(answerVersion);
    const client = await LibvirtClient.connect(options(['/nonexistent/virtqemud-sock-ro', daemon.path]));
    await expect(client.hypervisorVersion()).resolves.toEqual({ major: 7, minor: 2, micro: 22 });
    await client.close();
  });

  test('says of each socket why it does not serve', async () => {
    await expect(LibvirtClient.connect(options(['/nonexistent/a', '/nonexistent/b']))).rejects.toMatchObject({
      code: 'ERR_LIBVIRT_CONNECT',
      message: expect.stringMatching(/\/nonexistent\/a: .*ENOENT.*\/nonexistent\/b: .*ENOENT/),
    });
  });

  test('goes through polkit where that is asked for', async () => {
    const daemon = await daemonWith((call) => {
      if (call.procedure === 66) call.reply(authOffer(2));
      else if (call.procedure === 70) call.reply(new XdrWriter().int(1).finish());
      else answerVersion(call);
    });
    const client = await LibvirtClient.connect(options([daemon.path]));
    await client.close();
    expect(daemon.received.map(({ procedure }) => procedure).slice(0, 2)).toEqual([66, 70]);
  });

  test('a refusal by polkit names the action to allow', async () => {
    const daemon = await daemonWith((call) =>
      call.procedure === 66 ? call.reply(authOffer(2)) : call.fail(45, 'authentication failed'),
    );
    await expect(LibvirtClient.connect(options([daemon.path]))).rejects.toMatchObject({
      code: 'ERR_LIBVIRT_AUTH_DENIED',
      message: expect.stringContaining('org.libvirt.unix.monitor'),
    });
  });

  test('SASL is refused in words that help', async () => {
    const daemon = await daemonWith((call) => call.reply(authOffer(1)));
    await expect(LibvirtClient.connect(options([daemon.path]))).rejects.toMatchObject({
      code: 'ERR_LIBVIRT_AUTH_UNSUPPORTED',
      message: expect.stringContaining('SASL'),
    });
    expect(daemon.sockets.size).toBeLessThanOrEqual(1);
  });

  test('an event kind that an old daemon lacks does not stop it', async () => {
    const daemon = await daemonWith((call) =>
      call.procedure === 316 ? call.fail(3, 'unsupported event ID') : answerVersion(call),
    );
    const client = await LibvirtClient.connect(options([daemon.path]));
    expect(client.isOpen).toBe(true);
    await client.close();
  });

  test('a daemon that accepts and stays silent ends in a timeout', async () => {
    const daemon = await daemonWith(() => undefined);
    await expect(LibvirtClient.connect(options([daemon.path], { timeoutMs: 30 }))).rejects.toMatchObject({
      code: 'ERR_LIBVIRT_TIMEOUT',
    });
  });

  test('events reach the listener decoded', async () => {
    const daemon = await daemonWith(answerVersion);
    const seen = new Promise<DomainEvent>((resolve) => {
      void LibvirtClient.connect(options([daemon.path], { onDomainEvent: resolve })).then((client) => {
        cleanUps.push(() => client.close());
        daemon.send(SUSPENDED_EVENT);
      });
    });
    await expect(seen).resolves.toEqual({
      kind: 'lifecycle',
      domain: { name: 'rig-fleet-0001', uuid: 'a3422704-6abf-4e94-a1a6-6f9f396474c5', id: 2 },
      event: 3,
      detail: 0,
    });
  });
});

describe('a session', () => {
  interface Watched {
    readonly session: LibvirtSession;
    readonly disconnects: string[];
    readonly next: (what: 'connected' | 'disconnected') => Promise<void>;
  }

  function watch(paths: readonly string[]): Watched {
    const disconnects: string[] = [];
    const waiters = { connected: new Set<() => void>(), disconnected: new Set<() => void>() };
    const settle = (what: keyof typeof waiters): void => {
      for (const resolve of waiters[what]) resolve();
      waiters[what].clear();
    };
    const session = new LibvirtSession({
      target: targetOf(...paths),
      timeoutMs: LONG_MS,
      onCallSent: () => undefined,
      onDomainEvent: () => undefined,
      onConnected: () => settle('connected'),
      onDisconnected: (reason) => {
        disconnects.push(reason.message);
        settle('disconnected');
      },
    });
    cleanUps.push(() => session.stop());
    return {
      session,
      disconnects,
      next: (what) => new Promise((resolve) => waiters[what].add(resolve)),
    };
  }

  test('comes back by itself after the daemon hung up, and subscribes again', async () => {
    const daemon = await daemonWith(answerVersion);
    const { session, disconnects, next } = watch([daemon.path]);
    const first = next('connected');
    session.start();
    await first;
    const [lost, again] = [next('disconnected'), next('connected')];
    for (const socket of daemon.sockets) socket.destroy();
    await lost;
    expect(session.isConnected).toBe(false);
    await again;
    expect(session.isConnected).toBe(true);
    expect(disconnects).toHaveLength(1);
    expect(daemon.received.filter(({ procedure }) => procedure === 316)).toHaveLength(2 * EVENT_KINDS.length);
  });

  test('asking for the client connects at once, without waiting for the pause to end', async () => {
    const daemon = await daemonWith(answerVersion);
    const { session } = watch([daemon.path]);
    const client = await session.connected();
    await client.close();
    expect((await session.connected()).isOpen).toBe(true);
  });

  test('callers that ask at the same time share one attempt', async () => {
    const daemon = await daemonWith(answerVersion);
    const { session } = watch([daemon.path]);
    const clients = await Promise.all([session.connected(), session.connected(), session.connected()]);
    expect(new Set(clients).size).toBe(1);
    expect(daemon.received.filter(({ procedure }) => procedure === 1)).toHaveLength(1);
  });

  test('a daemon that stays away is reported once, however often it is tried', async () => {
    const { session, disconnects } = watch(['/nonexistent/sock']);
    for (let attempt = 0; attempt < 5; attempt++) await session.connected().catch(() => undefined);
    expect(disconnects).toHaveLength(1);
  });

  test('a stopped session takes leave and does not come back', async () => {
    const daemon = await daemonWith(answerVersion);
    const { session } = watch([daemon.path]);
    await session.connected();
    await session.stop();
    expect(daemon.received.at(-1)?.procedure).toBe(2);
    await expect(session.connected()).rejects.toMatchObject({ code: 'ERR_LIBVIRT_CLOSED' });
  });
});
