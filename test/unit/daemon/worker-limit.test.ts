import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { pino } from 'pino';
import { BalloonPeriodSetter } from '../../../src/daemon/balloon-period.ts';
import { SYSTEM_CLOCK } from '../../../src/daemon/clock.ts';
import { MessageType, Program } from '../../../src/libvirt/frame.ts';
import { readDomain } from '../../../src/libvirt/types.ts';
import { XdrReader, XdrWriter } from '../../../src/libvirt/xdr.ts';
import { domainXmlOf, type FakeDomain, fakeHypervisor, fakeUuid } from '../../support/fake-hypervisor.ts';
import {
  afterHandshake,
  type CallHandler,
  type FakeLibvirtd,
  type IncomingCall,
} from '../../support/fake-libvirtd.ts';
import { fakeStats, type MeasuredFake } from '../../support/fake-stats.ts';
import { atTestEnd, daemonWith } from '../../support/test-daemon.ts';
import { fakeTime, startWholeDaemon, type WholeDaemon } from './whole-daemon.ts';

const AGENT_COMMAND = 3;
const GET_XML_DESC = 14;
const GET_CAPABILITIES = 7;
const SET_PERIOD = 308;
const REGISTER_EVENT = 316;
const GET_ALL_DOMAIN_STATS = 344;
const AUTH_LIST = 66;
const OPEN = 1;
const HANDSHAKE: ReadonlySet<number> = new Set([AUTH_LIST, 60, OPEN, 2, REGISTER_EVENT]);
/** Procedures of `@priority: low` that the exporter uses, as remote_protocol.x has them. */
const LOW_PRIORITY: ReadonlySet<number> = new Set([
  GET_CAPABILITIES,
  GET_XML_DESC,
  16,
  262,
  298,
  SET_PERIOD,
  GET_ALL_DOMAIN_STATS,
]);
const WORKERS = 18;
/** For how long libvirt waits for a domain's job, and a little more: calls of a connection that ended last for so long. */
const JOB_WAIT_MS = 40_000;
/** For tests that move minutes in steps of 25 ms, which takes a processor a quarter of a minute. */
const LONG_TEST_MS = 180_000;

beforeEach(fakeTime);

// Parts are stopped before that, in the time that a test moves.
afterEach(() => {
  jest.useRealTimers();
});

/** Starts the parts against a fake daemon, and has both stopped at the end of the test. */
async function startWith(handler: CallHandler): Promise<{ libvirtd: FakeLibvirtd; whole: WholeDaemon }> {
  const libvirtd = await daemonWith(handler);
  const whole = startWholeDaemon([libvirtd.path], () => libvirtd.received.length);
  atTestEnd(whole.stop);
  return { libvirtd, whole };
}

function domainsOf(count: number): FakeDomain[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `vm-${index}`,
    uuid: fakeUuid(index),
    id: index + 1,
    state: 1,
    xml: () => domainXmlOf('pc-q35-7.2'),
  }));
}

/** Answers the inventory and statistics for the same domains. */
function hypervisorWithStats(domains: readonly FakeDomain[], stats: CallHandler): CallHandler {
  return fakeHypervisor(
    () => domains,
    (call) => {
      const isListing = call.procedure === GET_ALL_DOMAIN_STATS && call.payload.readUInt32BE(0) === 0;
      if (isListing || [4, 7, GET_XML_DESC, 157, 273].includes(call.procedure)) return false;
      stats(call);
      return true;
    },
  );
}

/** Numbers event subscriptions as libvirt does: up, for as long as the daemon lives. */
function countSubscriptions(handler: CallHandler): CallHandler {
  let subscriptions = 0;
  return (call) => {
    if (call.procedure !== REGISTER_EVENT) return handler(call);
    call.reply(new XdrWriter().int(subscriptions).finish());
    subscriptions += 1;
  };
}

interface Workers {
  readonly handler: CallHandler;
  readonly held: () => number;
  readonly most: () => number;
}

/** Counts the calls that hold one of the daemon's ordinary workers, whether their connection has ended or not. */
function countWorkers(handler: CallHandler): Workers {
  let held = 0;
  let most = 0;
  return {
    held: () => held,
    most: () => most,
    handler: (call) => {
      const isCounted = call.program === Program.qemu || LOW_PRIORITY.has(call.procedure);
      if (!isCounted) return handler(call);
      held += 1;
      most = Math.max(most, held);
      let isAnswered = false;
      const end = (): boolean => {
        if (isAnswered) return false;
        isAnswered = true;
        held -= 1;
        return true;
      };
      call.socket.setMaxListeners(0);
      call.socket.once('close', () => setTimeout(end, JOB_WAIT_MS));
      handler({
        ...call,
        reply: (payload) => {
          if (end() && !call.socket.destroyed) call.reply(payload);
        },
        fail: (number, message) => {
          if (end() && !call.socket.destroyed) call.fail(number, message);
        },
      });
    },
  };
}

/** The domains that a call names; none for a listing. */
function namesIn(call: IncomingCall): string[] {
  const reader = new XdrReader(call.payload);
  if (call.procedure === GET_CAPABILITIES) return [];
  if (call.procedure === GET_ALL_DOMAIN_STATS) return reader.array(1_000, () => readDomain(reader).name);
  return [readDomain(reader).name];
}

describe('all connections together never hold more than 18 workers', () => {
  test(
    'while 100 of 200 domains hang in every way, agents are silent and connections come and go',
    async () => {
      const domains = domainsOf(200);
      const hung = new Set<string>();
      const stats = fakeStats(domains.map(({ name, uuid, id }): MeasuredFake => ({ name, uuid, id })));
      const answer = hypervisorWithStats(domains, stats.handler);
      let calls = 0;
      const workers = countWorkers((call) => {
        const isAgent = call.program === Program.qemu;
        const names = LOW_PRIORITY.has(call.procedure) || isAgent ? namesIn(call) : [];
        calls += 1;
        // Interfaces of all domains need no QEMU.
        const needsQemu = !(call.procedure === GET_ALL_DOMAIN_STATS && names.length > 1);
        if (needsQemu && names.some((name) => hung.has(name))) return;
        if (call.procedure === GET_CAPABILITIES && hung.size > 0) return;
        const isListing = call.procedure === GET_ALL_DOMAIN_STATS && names.length === 0;
        if (isListing && calls % 5 === 0) setTimeout(() => answer(call), 3_000);
        else if (isAgent) call.reply(new XdrWriter().uint(0).finish());
        else if (call.procedure === SET_PERIOD) call.reply();
        else answer(call);
      });
      const { libvirtd, whole } = await startWith(workers.handler);
      const { daemon } = whole;
      const balloon = new BalloonPeriodSetter({
        set: (domain, seconds) => daemon.agents.setMemoryStatsPeriod(domain, seconds),
        seconds: 10,
        clock: SYSTEM_CLOCK,
        log: pino({ level: 'silent' }),
      });
      await whole.pass(5_000);
      expect(await whole.until(whole.scrape())).toHaveLength(200);
      for (const { name, id } of domains) if (id % 2 === 1) hung.add(name);
      for (let second = 0; second < 100; second += 2) {
        void whole.scrape().catch(() => undefined);
        void balloon.apply(domains);
        if (second % 10 === 0)
          for (const domain of domains) daemon.agents.command(domain, '{}', 5).catch(() => undefined);
        if (second % 14 === 6) for (const socket of libvirtd.sockets) socket.destroy();
        await whole.pass(2_000);
        expect(workers.most()).toBeLessThanOrEqual(WORKERS);
      }
      expect(workers.most()).toBeGreaterThan(10);
      for (const procedure of [
        AGENT_COMMAND,
        GET_XML_DESC,
        GET_CAPABILITIES,
        SET_PERIOD,
        GET_ALL_DOMAIN_STATS,
      ])
        expect(libvirtd.received.some((frame) => frame.procedure === procedure)).toBe(true);
      expect(libvirtd.received.filter(({ procedure }) => procedure === OPEN).length).toBeGreaterThan(10);
    },
    LONG_TEST_MS,
  );
});

describe('libvirtd restarted while fourteen calls hang', () => {
  test('serves the other domains whole right afterwards: the calls of before are not counted', async () => {
    const domains = domainsOf(60);
    const names = domains.map(({ name }) => name);
    const start = async () => {
      const measured = domains.map(
        ({ name, uuid, id }, index): MeasuredFake => ({ name, uuid, id, hung: index < 14 }),
      );
      const stats = fakeStats(measured);
      const workers = countWorkers(countSubscriptions(hypervisorWithStats(domains, stats.handler)));
      const libvirtd = await daemonWith(workers.handler);
      return { libvirtd, workers, stats };
    };
    const before = await start();
    const sockets = [before.libvirtd.path];
    let frames = (): number => before.libvirtd.received.length;
    const whole = startWholeDaemon(sockets, () => frames());
    atTestEnd(whole.stop);
    for (let scrape = 0; scrape < 3; scrape++) {
      const complete = await whole.until(whole.scrape());
      if (scrape > 0) expect(complete).toEqual(names.slice(14));
      await whole.pass(15_000);
    }
    expect(before.workers.held()).toBe(14);
    expect(whole.daemon.unresponsive.size).toBe(14);

    await before.libvirtd.stop();
    const after = await start();
    sockets[0] = after.libvirtd.path;
    frames = () => after.libvirtd.received.length;
    expect(await whole.until(whole.scrape())).toEqual(names.slice(14));
    expect(after.stats.mostHanging()).toBe(14);
    await whole.pass(5_000);
    expect(await whole.until(whole.scrape())).toEqual(names.slice(14));
    expect(after.workers.most()).toBeLessThanOrEqual(WORKERS);
  });
});

describe('a libvirtd that is of no use', () => {
  /** What a minute with a scrape each second costs it, and what it has logged. */
  async function minuteWith(handler: CallHandler) {
    const { libvirtd, whole } = await startWith(handler);
    for (let second = 0; second < 60; second++) {
      void whole.scrape().catch(() => undefined);
      await whole.pass(1_000);
    }
    const calls = libvirtd.received.filter(({ type }) => type === MessageType.call);
    return {
      connections: calls.filter(({ procedure }) => procedure === AUTH_LIST).length,
      calls: calls.filter(({ procedure }) => !HANDSHAKE.has(procedure)).length,
      logged: whole.log.map(({ msg }) => msg),
    };
  }

  const healthy = fakeHypervisor(() => domainsOf(3));

  /** Ends each connection after so many answers to calls that are no part of the handshake. */
  function endAfter(answers: number): CallHandler {
    const answered = new WeakMap<object, number>();
    const subscribed = new WeakMap<object, number>();
    return (call) => {
      const count = (of: WeakMap<object, number>): number => {
        const counted = (of.get(call.socket) ?? 0) + 1;
        of.set(call.socket, counted);
        return counted;
      };
      if (HANDSHAKE.has(call.procedure)) {
        healthy(call);
        if (answers === 0 && call.procedure === REGISTER_EVENT && count(subscribed) === 7) call.socket.end();
      } else if (count(answered) > answers) {
        call.socket.destroy();
      } else {
        healthy(call);
        if (answered.get(call.socket) === answers) call.socket.end();
      }
    };
  }

  test.each<
    [what: string, handler: CallHandler, most: { connections: number; calls: number; logged: number }]
  >([
    [
      'closes each connection right after the handshake',
      endAfter(0),
      { connections: 30, calls: 40, logged: 3 },
    ],
    ['closes each connection after one answer', endAfter(1), { connections: 40, calls: 90, logged: 6 }],
    [
      'closes each connection when it is opened',
      (call) => {
        healthy(call);
        if (call.procedure === OPEN) call.socket.end();
      },
      { connections: 90, calls: 0, logged: 3 },
    ],
    [
      'answers with an error whatever it is sent after the handshake',
      afterHandshake((call) => call.fail(1, 'internal error')),
      { connections: 5, calls: 130, logged: 3 },
    ],
    [
      'answers with garbage whatever it is sent after the handshake',
      afterHandshake((call) => call.reply(Buffer.from('garbage'))),
      { connections: 30, calls: 40, logged: 3 },
    ],
    [
      'answers nothing after the handshake',
      afterHandshake(() => undefined),
      { connections: 5, calls: 20, logged: 3 },
    ],
  ])('%s, gets growing pauses', async (_, handler, most) => {
    const { connections, calls, logged } = await minuteWith(handler);
    expect(connections).toBeLessThanOrEqual(most.connections);
    expect(calls).toBeLessThanOrEqual(most.calls);
    expect(logged.length).toBeLessThanOrEqual(most.logged);
  });
});
