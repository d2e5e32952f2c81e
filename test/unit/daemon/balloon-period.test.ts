import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { pino } from 'pino';
import { BalloonPeriodSetter } from '../../../src/daemon/balloon-period.ts';
import type { DomainRef } from '../../../src/libvirt/types.ts';
import { fakeUuid } from '../../support/fake-hypervisor.ts';
import {
  afterHandshake,
  type FakeLibvirtd,
  type IncomingCall,
  startFakeLibvirtd,
  targetOf,
} from '../../support/fake-libvirtd.ts';

const SET_PERIOD = 308;
const TIMEOUT_MS = 100;
const DOMAINS: readonly DomainRef[] = Array.from({ length: 20 }, (_, index) => ({
  name: `vm-${index}`,
  uuid: fakeUuid(index),
  id: index + 1,
}));

let daemon: FakeLibvirtd | undefined;

beforeEach(() => {
  // Sockets and deadlines stay real: only what measures the minute is faked.
  jest.useFakeTimers({
    doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate', 'setTimeout', 'clearTimeout'],
  });
});

afterEach(async () => {
  jest.useRealTimers();
  await daemon?.stop();
});

/** A setter whose daemon does with the calls what `answer` does; calls are numbered from 1 on. */
async function setUp(answer: (call: IncomingCall, number: number) => void) {
  let calls = 0;
  const log: { level: number; domain?: string }[] = [];
  daemon = await startFakeLibvirtd(
    afterHandshake((call) => {
      if (call.procedure !== SET_PERIOD) return;
      calls += 1;
      answer(call, calls);
    }),
  );
  const setter = new BalloonPeriodSetter({
    connection: { target: targetOf(daemon.path), timeoutMs: TIMEOUT_MS, onCallSent: () => undefined },
    seconds: 10,
    log: pino({ base: null }, { write: (line: string) => log.push(JSON.parse(line)) }),
  });
  return {
    setter,
    calls: () => calls,
    warned: () => log.filter(({ level }) => level === 40).map(({ domain }) => domain),
  };
}

const names = (domains: readonly DomainRef[]): string[] => domains.map(({ name }) => name);
const ALL = names(DOMAINS);

test('each run is set once, another one of the same domain again', async () => {
  const { setter, calls } = await setUp((call) => call.reply());
  expect(names(await setter.apply(DOMAINS))).toEqual(ALL);
  expect(await setter.apply(DOMAINS)).toEqual([]);
  expect(calls()).toBe(20);
  expect(names(await setter.apply(DOMAINS.map((domain) => ({ ...domain, id: domain.id + 100 }))))).toEqual(
    ALL,
  );
});

test('a refusal is told once and not tried again until libvirt was restarted', async () => {
  const { setter, warned } = await setUp((call, number) =>
    number === 3 ? call.fail(74, 'no balloon') : call.reply(),
  );
  expect(names(await setter.apply(DOMAINS))).toEqual(ALL.filter((name) => name !== 'vm-2'));
  jest.advanceTimersByTime(3_600_000);
  expect(await setter.apply(DOMAINS)).toEqual([]);
  expect(warned()).toEqual(['vm-2']);
  setter.forget();
  expect(names(await setter.apply(DOMAINS))).toEqual(ALL);
});

test('a domain whose lock is held is tried again a minute later, and the others are set meanwhile', async () => {
  const { setter, warned } = await setUp((call, number) =>
    number === 3 ? call.fail(68, 'cannot acquire state change lock') : call.reply(),
  );
  expect(await setter.apply(DOMAINS)).toHaveLength(19);
  jest.advanceTimersByTime(59_000);
  expect(await setter.apply(DOMAINS)).toEqual([]);
  jest.advanceTimersByTime(2_000);
  expect(names(await setter.apply(DOMAINS))).toEqual(['vm-2']);
  expect(warned()).toEqual(['vm-2']);
});

describe('what is left is set at the next checks', () => {
  test('after the connection was lost', async () => {
    const { setter } = await setUp((call, number) => {
      if (number === 6) call.socket.destroy();
      else call.reply();
    });
    expect(names(await setter.apply(DOMAINS))).toEqual(ALL.slice(0, 5));
    expect(names(await setter.apply(DOMAINS))).toEqual(ALL.slice(6));
    jest.advanceTimersByTime(61_000);
    expect(names(await setter.apply(DOMAINS))).toEqual(['vm-5']);
  });

  test('of domains that hang, one at each check', async () => {
    const { setter, warned } = await setUp((call, number) => {
      if (number > 5) call.reply();
    });
    for (let check = 0; check < 5; check++) expect(await setter.apply(DOMAINS)).toEqual([]);
    expect(names(await setter.apply(DOMAINS))).toEqual(ALL.slice(5));
    expect(warned()).toEqual(ALL.slice(0, 5));
    jest.advanceTimersByTime(61_000);
    expect(names(await setter.apply(DOMAINS))).toEqual(ALL.slice(0, 5));
  });
});

test('without a way in, that is told once, and tried again a minute later', async () => {
  const { setter, warned, calls } = await setUp((call) => call.reply());
  await daemon?.stop();
  expect(await setter.apply(DOMAINS)).toEqual([]);
  jest.advanceTimersByTime(61_000);
  expect(await setter.apply(DOMAINS)).toEqual([]);
  expect(warned()).toEqual([undefined]);
  expect(calls()).toBe(0);
});
