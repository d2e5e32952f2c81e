import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { pino } from 'pino';
import { GuestSession } from '../../../src/daemon/agent-connection.ts';
import { afterHandshake, startFakeLibvirtd, targetOf } from '../../support/fake-libvirtd.ts';

function setUp(isLibvirtUp: () => boolean, sockets: readonly string[] = ['/nonexistent/sock']) {
  const warnings: unknown[] = [];
  const session = new GuestSession({
    target: { ...targetOf(), readWriteSockets: sockets },
    timeoutMs: 1_000,
    onCallSent: () => undefined,
    isLibvirtUp,
    log: pino({ level: 'warn' }, { write: (line: string) => warnings.push(line) }),
  });
  return { session, warnings };
}

test('no way in while libvirt answers is a refusal: one warning, not tried again for a while', async () => {
  const { session, warnings } = setUp(() => true);
  for (let attempt = 0; attempt < 3; attempt++) {
    await expect(session.connected()).rejects.toMatchObject({ code: 'ERR_LIBVIRT_CONNECT' });
  }
  expect(session.isRefused).toBe(true);
  expect(warnings).toHaveLength(1);
  session.retry();
  expect(session.isRefused).toBe(false);
});

test('while libvirt is away nothing is refused, and nothing is said', async () => {
  const { session, warnings } = setUp(() => false);
  await expect(session.connected()).rejects.toMatchObject({ code: 'ERR_LIBVIRT_CONNECT' });
  expect(session.isRefused).toBe(false);
  expect(warnings).toEqual([]);
});

describe('a way in that opens later', () => {
  beforeEach(() => {
    // Sockets stay real: only what measures the minute is faked.
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate', 'setTimeout'] });
  });

  afterEach(() => {
    jest.useRealTimers();
  });

  test('is found a minute after the refusal, without a second warning, and is kept', async () => {
    const daemon = await startFakeLibvirtd(afterHandshake(() => undefined));
    const sockets = ['/nonexistent/sock'];
    const { session, warnings } = setUp(() => true, sockets);
    await expect(session.connected()).rejects.toThrow();
    jest.advanceTimersByTime(59_000);
    await expect(session.connected()).rejects.toThrow('a moment ago');
    jest.advanceTimersByTime(2_000);
    await expect(session.connected()).rejects.toThrow('no libvirt socket answers');
    expect(warnings).toHaveLength(1);
    sockets[0] = daemon.path;
    jest.advanceTimersByTime(61_000);
    expect(session.isRefused).toBe(false);
    const [first, second] = await Promise.all([session.connected(), session.connected()]);
    expect(first).toBe(second);
    expect(await session.connected()).toBe(first);
    expect(daemon.sockets.size).toBe(1);
    await session.stop();
    expect(first?.isOpen).toBe(false);
    await expect(session.connected()).rejects.toThrow();
    await daemon.stop();
  });

  test('is warned of anew when it is closed again after it was open', async () => {
    const daemon = await startFakeLibvirtd(afterHandshake(() => undefined));
    const sockets = ['/nonexistent/sock'];
    const { session, warnings } = setUp(() => true, sockets);
    await expect(session.connected()).rejects.toThrow();
    sockets[0] = daemon.path;
    jest.advanceTimersByTime(61_000);
    const client = await session.connected();
    await client.close();
    await daemon.stop();
    await expect(session.connected()).rejects.toThrow();
    expect(warnings).toHaveLength(2);
  });
});
