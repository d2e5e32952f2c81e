import { symlink, unlink } from 'node:fs/promises';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { EventConnection } from '../../../src/daemon/event-connection.ts';
import { EVENT_KINDS } from '../../../src/libvirt/events.ts';
import { XdrWriter } from '../../../src/libvirt/xdr.ts';
import { type FakeClock, fakeClock, settle } from '../../support/fake-clock.ts';
import {
  type CallHandler,
  type FakeLibvirtd,
  type IncomingCall,
  targetOf,
} from '../../support/fake-libvirtd.ts';
import { answerVersion, atTestEnd, daemonWith } from '../../support/test-daemon.ts';

const LONG_MS = 30_000;
const REGISTER_EVENT = 316;
const OPEN = 1;
const CLOSE = 2;

/** Answers a client's subscriptions with numbers that go on for as long as this daemon lives. */
function countingSubscriptions(): CallHandler {
  let subscriptions = 0;
  return (call) => {
    if (call.procedure !== REGISTER_EVENT) return answerVersion(call);
    call.reply(new XdrWriter().int(subscriptions).finish());
    subscriptions += 1;
  };
}

describe('the connection for events', () => {
  let clock: FakeClock;

  beforeEach(() => {
    clock = fakeClock();
  });

  interface Watched {
    readonly events: EventConnection;
    /** What it reported, in order. */
    readonly reports: string[];
    readonly disconnects: string[];
    /** Resolves with the next report of this kind. */
    readonly next: (report: string) => Promise<void>;
  }

  function watch(paths: readonly string[]): Watched {
    const reports: string[] = [];
    const disconnects: string[] = [];
    const waiters = new Set<(report: string) => void>();
    const note = (report: string) => (): void => {
      reports.push(report);
      for (const waiter of waiters) waiter(report);
    };
    const events = new EventConnection({
      target: targetOf(...paths),
      timeoutMs: LONG_MS,
      clock,
      onCallSent: () => undefined,
      onDomainEvent: () => undefined,
      onConnected: note('connected'),
      onDaemonRestarted: note('restarted'),
      onRecovered: note('recovered'),
      onDisconnected: (reason) => {
        disconnects.push(reason.message);
        note('disconnected')();
      },
    });
    atTestEnd(() => events.stop());
    const next = (wanted: string): Promise<void> =>
      new Promise((resolve) => {
        const waiter = (report: string): void => {
          if (report !== wanted) return;
          waiters.delete(waiter);
          resolve();
        };
        waiters.add(waiter);
      });
    return { events, reports, disconnects, next };
  }

  const hangUp = (daemon: FakeLibvirtd): void => {
    for (const socket of daemon.sockets) socket.destroy();
  };
  const opened = ({ received }: FakeLibvirtd): number =>
    received.filter(({ procedure }) => procedure === OPEN).length;

  test('comes back by itself after the daemon hung up, and subscribes again', async () => {
    const daemon = await daemonWith(answerVersion);
    const { events, disconnects, next } = watch([daemon.path]);
    const first = next('connected');
    events.start();
    await first;
    const [lost, again] = [next('disconnected'), next('connected')];
    hangUp(daemon);
    await lost;
    expect(events.isConnected).toBe(false);
    expect(events.current).toBeUndefined();
    await clock.advance(250);
    await again;
    expect(events.isConnected).toBe(true);
    expect(disconnects).toHaveLength(1);
    const subscriptions = daemon.received.filter(({ procedure }) => procedure === REGISTER_EVENT);
    expect(subscriptions).toHaveLength(2 * EVENT_KINDS.length);
  });

  test('is made at once when a scrape needs it, without waiting for the pause to end', async () => {
    const daemon = await daemonWith(answerVersion);
    const { events, next } = watch([daemon.path]);
    await events.connected();
    const lost = next('disconnected');
    hangUp(daemon);
    await lost;
    const client = await events.connected();
    expect(client.isOpen).toBe(true);
    expect(events.current).toBe(client);
    expect(clock.now()).toBe(0);
  });

  test('is found by the first scrape after the daemon came back, however long it was away', async () => {
    const { events, reports } = watch(['/nonexistent/sock']);
    for (let second = 0; second < 100; second++) {
      await expect(events.connected()).rejects.toMatchObject({ code: 'ERR_LIBVIRT_CONNECT' });
      await clock.advance(1_000);
    }
    expect(reports).toEqual(['disconnected']);
  });

  test('is shared by callers that need it at the same time', async () => {
    const daemon = await daemonWith(answerVersion);
    const { events } = watch([daemon.path]);
    const clients = await Promise.all([events.connected(), events.connected(), events.connected()]);
    expect(new Set(clients).size).toBe(1);
    expect(opened(daemon)).toBe(1);
  });

  test('that cannot be had is reported once, however often it is tried', async () => {
    const { events, disconnects } = watch(['/nonexistent/sock']);
    for (let attempt = 0; attempt < 5; attempt++) await events.connected().catch(() => undefined);
    expect(disconnects).toHaveLength(1);
    expect(disconnects[0]).toContain('/nonexistent/sock');
  });

  test('that was stopped takes leave and does not come back', async () => {
    const daemon = await daemonWith(answerVersion);
    const { events, reports } = watch([daemon.path]);
    await events.connected();
    await events.stop();
    expect(daemon.received.at(-1)?.procedure).toBe(CLOSE);
    await expect(events.connected()).rejects.toMatchObject({ code: 'ERR_LIBVIRT_CLOSED' });
    await clock.advance(60_000);
    expect(reports).toEqual(['connected']);
  });

  describe('after an outage', () => {
    test('is reported as recovered once it has lasted for two seconds', async () => {
      const daemon = await daemonWith(answerVersion);
      const { events, reports, next } = watch([daemon.path]);
      await events.connected();
      const lost = next('disconnected');
      hangUp(daemon);
      await lost;
      await events.connected();
      await clock.advance(1_999);
      expect(reports).toEqual(['connected', 'disconnected', 'connected']);
      await clock.advance(1);
      expect(reports.slice(3)).toEqual(['recovered']);
      await clock.advance(60_000);
      expect(reports).toHaveLength(4);
    });

    test('that does not end it, the next loss is neither reported nor recovered from', async () => {
      const daemon = await daemonWith(answerVersion);
      const { events, reports, next } = watch([daemon.path]);
      await events.connected();
      const lost = next('disconnected');
      hangUp(daemon);
      await lost;
      await events.connected();
      await clock.advance(1_000);
      hangUp(daemon);
      while (events.isConnected) await settle();
      await clock.advance(1_500);
      expect(reports.filter((report) => report !== 'connected')).toEqual(['disconnected']);
    });

    test('a first connection is no recovery', async () => {
      const daemon = await daemonWith(answerVersion);
      const { events, reports } = watch([daemon.path]);
      await events.connected();
      await clock.advance(60_000);
      expect(reports).toEqual(['connected']);
    });
  });

  describe('to a daemon that was restarted', () => {
    test('says so before it is reported, when subscriptions are counted anew', async () => {
      let handler = countingSubscriptions();
      const daemon = await daemonWith((call: IncomingCall) => handler(call));
      const { events, reports, next } = watch([daemon.path]);
      await events.connected();
      for (const isRestarted of [false, true]) {
        if (isRestarted) handler = countingSubscriptions();
        await clock.advance(10_000);
        const lost = next('disconnected');
        hangUp(daemon);
        await lost;
        await events.connected();
        await clock.advance(2_000);
      }
      const round = ['disconnected', 'connected', 'recovered'];
      expect(reports).toEqual(['connected', ...round, 'disconnected', 'restarted', ...round.slice(1)]);
    });

    test('says so when nobody listened meanwhile', async () => {
      const daemon = await daemonWith(answerVersion);
      const link = `${daemon.path}-link`;
      await symlink(daemon.path, link);
      const { events, reports, next } = watch([link]);
      await events.connected();
      await unlink(link);
      const lost = next('disconnected');
      hangUp(daemon);
      await lost;
      await expect(events.connected()).rejects.toMatchObject({ code: 'ERR_LIBVIRT_CONNECT' });
      await symlink(daemon.path, link);
      await events.connected();
      expect(reports).toEqual(['connected', 'disconnected', 'restarted', 'connected']);
    });

    test('is not taken for one that closed the connection', async () => {
      const daemon = await daemonWith(countingSubscriptions());
      const { events, reports } = watch([daemon.path]);
      for (let outage = 0; outage < 5; outage++) {
        await events.connected();
        await clock.advance(20_000);
        hangUp(daemon);
        while (events.isConnected) await settle();
      }
      expect(reports).not.toContain('restarted');
    });
  });

  describe('that a daemon closes right after the handshake', () => {
    /** Attempts within a minute in which a scrape needs the connection each second. */
    async function attempts(handler: CallHandler): Promise<{ opened: number; disconnects: number }> {
      const daemon = await daemonWith(handler);
      const { events, disconnects } = watch([daemon.path]);
      events.start();
      for (let second = 0; second < 60; second++) {
        await events.connected().catch(() => undefined);
        for (let turn = 0; turn < 10; turn++) await settle();
        await clock.advance(1_000);
      }
      return { opened: opened(daemon), disconnects: disconnects.length };
    }

    test('is tried with growing pauses, though scrapes come, and reported once', async () => {
      let subscriptions = 0;
      const counts = await attempts((call) => {
        answerVersion(call);
        if (call.procedure === REGISTER_EVENT && ++subscriptions % EVENT_KINDS.length === 0)
          call.socket.end();
      });
      expect(counts.opened).toBeGreaterThan(4);
      expect(counts.opened).toBeLessThanOrEqual(16);
      expect(counts.disconnects).toBe(1);
    });

    test('during the handshake, is tried for each scrape as a socket that refuses it is', async () => {
      const counts = await attempts((call) => {
        if (call.procedure === REGISTER_EVENT) call.socket.destroy();
        else answerVersion(call);
      });
      expect(counts.opened).toBeLessThanOrEqual(90);
      expect(counts.disconnects).toBe(1);
    });

    test('once it did what it is for, lasted five seconds and was lost is opened again at once', async () => {
      const daemon = await daemonWith(answerVersion);
      const { events, next } = watch([daemon.path]);
      for (let outage = 0; outage < 5; outage++) {
        await events.connected();
        events.confirm();
        await clock.advance(5_000);
        const lost = next('disconnected');
        hangUp(daemon);
        if (outage === 0) await lost;
        while (events.isConnected) await settle();
      }
      expect((await events.connected()).isOpen).toBe(true);
      expect(opened(daemon)).toBe(6);
    });

    test('several times in a few seconds, but is restarted each time, is opened at once', async () => {
      const daemons = await Promise.all([1, 2, 3, 4].map(() => daemonWith(answerVersion)));
      const link = `${daemons[0]?.path}-link`;
      const { events } = watch([link]);
      for (const daemon of daemons) {
        await symlink(daemon.path, link);
        expect((await events.connected()).isOpen).toBe(true);
        await unlink(link);
        hangUp(daemon);
        while (events.isConnected) await settle();
      }
      expect(clock.now()).toBe(0);
    });

    test('after few seconds of lasting without use is waited for', async () => {
      const daemon = await daemonWith(answerVersion);
      const { events } = watch([daemon.path]);
      for (let outage = 0; outage < 2; outage++) {
        await events.connected();
        await clock.advance(5_000);
        hangUp(daemon);
        while (events.isConnected) await settle();
      }
      await expect(events.connected()).rejects.toMatchObject({ code: 'ERR_LIBVIRT_CLOSED' });
      await clock.advance(500);
      for (let turn = 0; turn < 10 && !events.isConnected; turn++) await settle();
      expect((await events.connected()).isOpen).toBe(true);
    });
  });
});
