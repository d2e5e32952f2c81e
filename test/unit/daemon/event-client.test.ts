import { describe, expect, test } from '@jest/globals';
import { EventClient, type EventClientOptions, formatVersion } from '../../../src/daemon/event-client.ts';
import { type DomainEvent, EVENT_KINDS } from '../../../src/libvirt/events.ts';
import { XdrWriter } from '../../../src/libvirt/xdr.ts';
import { BLOCK_THRESHOLD_EVENT, IO_ERROR_EVENT, SUSPENDED_EVENT } from '../../fixtures/rpc/frames.ts';
import { targetOf } from '../../support/fake-libvirtd.ts';
import { answerVersion, atTestEnd, daemonWith } from '../../support/test-daemon.ts';

const LONG_MS = 30_000;
const GET_VERSION = 4;

function options(socketPaths: readonly string[], more: Partial<EventClientOptions> = {}): EventClientOptions {
  return {
    target: targetOf(...socketPaths),
    timeoutMs: LONG_MS,
    onCallSent: () => undefined,
    onClose: () => undefined,
    onDomainEvent: () => undefined,
    ...more,
  };
}

const authTypes = (...types: number[]): Buffer => {
  const out = new XdrWriter();
  out.array(types, (type) => out.int(type));
  return out.finish();
};

describe('connecting', () => {
  test('lists the ways to authenticate before anything else, opens read-only, then subscribes', async () => {
    const daemon = await daemonWith(answerVersion);
    const client = await EventClient.connect(options([daemon.path]));
    await client.close();
    expect(daemon.received.map(({ procedure }) => procedure)).toEqual([
      66,
      60,
      1,
      ...EVENT_KINDS.map(() => 316),
      2,
    ]);
    const openFlags = daemon.received[2]?.payload.readUInt32BE(4 + 4 + 16);
    expect(openFlags).toBe(1);
  });

  test('takes the second socket when the first is not there', async () => {
    const daemon = await daemonWith(answerVersion);
    const client = await EventClient.connect(options(['/nonexistent/virtqemud-sock-ro', daemon.path]));
    await expect(client.hypervisorVersion()).resolves.toEqual({ major: 7, minor: 2, micro: 22 });
    await client.close();
  });

  test('says of each socket why it does not serve', async () => {
    await expect(EventClient.connect(options(['/nonexistent/a', '/nonexistent/b']))).rejects.toMatchObject({
      code: 'ERR_LIBVIRT_CONNECT',
      message: expect.stringMatching(/\/nonexistent\/a: .*ENOENT.*\/nonexistent\/b: .*ENOENT/),
    });
  });

  test('goes through polkit where libvirt requires that', async () => {
    const daemon = await daemonWith((call) => {
      if (call.procedure === 66) call.reply(authTypes(2));
      else if (call.procedure === 70) call.reply(new XdrWriter().int(1).finish());
      else answerVersion(call);
    });
    const client = await EventClient.connect(options([daemon.path]));
    await client.close();
    expect(daemon.received.map(({ procedure }) => procedure).slice(0, 2)).toEqual([66, 70]);
  });

  test('a refusal by polkit names the action to allow', async () => {
    const daemon = await daemonWith((call) =>
      call.procedure === 66 ? call.reply(authTypes(2)) : call.fail(45, 'authentication failed'),
    );
    await expect(EventClient.connect(options([daemon.path]))).rejects.toMatchObject({
      code: 'ERR_LIBVIRT_AUTH_DENIED',
      message: expect.stringContaining('org.libvirt.unix.monitor'),
    });
  });

  test('SASL is refused in words that help', async () => {
    const daemon = await daemonWith((call) => call.reply(authTypes(1)));
    await expect(EventClient.connect(options([daemon.path]))).rejects.toMatchObject({
      code: 'ERR_LIBVIRT_AUTH_UNSUPPORTED',
      message: expect.stringContaining('SASL'),
    });
    expect(daemon.sockets.size).toBeLessThanOrEqual(1);
  });

  test('an event kind that an old daemon lacks does not stop it', async () => {
    const daemon = await daemonWith((call) =>
      call.procedure === 316 ? call.fail(3, 'unsupported event ID') : answerVersion(call),
    );
    const client = await EventClient.connect(options([daemon.path]));
    expect(client.isOpen).toBe(true);
    await client.close();
  });

  test('a daemon that accepts and stays silent ends in a timeout', async () => {
    const daemon = await daemonWith(() => undefined);
    await expect(EventClient.connect(options([daemon.path], { timeoutMs: 30 }))).rejects.toMatchObject({
      code: 'ERR_LIBVIRT_TIMEOUT',
    });
  });

  const RIG = { name: 'rig-host-w', uuid: '80a4ddb6-9d5c-4a83-96fd-1121eceaee8c', id: 396 };

  test.each<[string, Buffer, DomainEvent]>([
    [
      'suspended',
      SUSPENDED_EVENT,
      {
        kind: 'lifecycle',
        domain: { name: 'rig-fleet-0001', uuid: 'a3422704-6abf-4e94-a1a6-6f9f396474c5', id: 2 },
        event: 3,
        detail: 0,
      },
    ],
    [
      'a failed request',
      IO_ERROR_EVENT,
      { kind: 'io-error', domain: RIG, alias: 'virtio-disk0', paused: true, reason: 'enospc' },
    ],
    [
      'a write beyond a threshold',
      BLOCK_THRESHOLD_EVENT,
      { kind: 'block-threshold', domain: RIG, device: 'vda' },
    ],
  ])('events reach the listener decoded: %s', async (_what, frame, event) => {
    const daemon = await daemonWith(answerVersion);
    const seen = new Promise<DomainEvent>((resolve) => {
      void EventClient.connect(options([daemon.path], { onDomainEvent: resolve })).then((client) => {
        atTestEnd(() => client.close());
        daemon.send(frame);
      });
    });
    await expect(seen).resolves.toEqual(event);
  });
});

test('versions are what libvirt encodes as one number', async () => {
  const daemon = await daemonWith(answerVersion);
  const client = await EventClient.connect(options([daemon.path]));
  expect(formatVersion(await client.daemonVersion())).toBe('7.2.22');
  expect(daemon.received.filter(({ procedure }) => procedure === GET_VERSION)).toEqual([]);
  await client.close();
});
