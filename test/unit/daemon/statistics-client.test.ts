import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { type StatisticsClient, StatsGroup, type StatsTerms } from '../../../src/daemon/statistics-client.ts';
import type { UnresponsiveDomains } from '../../../src/daemon/unresponsive-domains.ts';
import { readDomain } from '../../../src/libvirt/types.ts';
import { XdrReader } from '../../../src/libvirt/xdr.ts';
import { settle } from '../../support/fake-clock.ts';
import { fakeUuid } from '../../support/fake-hypervisor.ts';
import { type FakeLibvirtd, startFakeLibvirtd } from '../../support/fake-libvirtd.ts';
import { type FakeStats, fakeStats, type MeasuredFake } from '../../support/fake-stats.ts';
import { poolOf } from '../../support/pool-of.ts';

const GET_ALL_DOMAIN_STATS = 344;
const NOWAIT = 1 << 29;
const BACKING = 1 << 30;
const DAY_MS = 24 * 60 * 60_000;
const TERMS: StatsTerms = { deadline: Number.POSITIVE_INFINITY };

let domains: MeasuredFake[];
let daemon: FakeLibvirtd;
let fake: FakeStats;
let client: StatisticsClient;
let unresponsive: UnresponsiveDomains;
let stop: () => Promise<void>;

beforeEach(async () => {
  domains = [1, 2, 3].map((id) => ({ name: `vm-${id}`, uuid: fakeUuid(id), id }));
  fake = fakeStats(domains);
  daemon = await startFakeLibvirtd(fake.handler);
  const { pool, statistics, unresponsive: registry } = poolOf(daemon);
  [client, unresponsive, stop] = [statistics, registry, () => pool.stop()];
});

afterEach(async () => {
  jest.useRealTimers();
  await stop();
  await daemon.stop();
});

const first = (): MeasuredFake => {
  const [domain] = domains;
  if (domain === undefined) throw new Error('no domain');
  return domain;
};

test('statistics go out as one domain, its groups, and the flag that keeps libvirt from waiting for a job', async () => {
  await client.domainStats(first(), StatsGroup.block | StatsGroup.balloon, TERMS);
  const payload = new XdrReader(daemon.received.at(-1)?.payload ?? Buffer.alloc(0));
  expect(payload.array(10, () => readDomain(payload))).toEqual([{ name: 'vm-1', uuid: fakeUuid(1), id: 1 }]);
  expect([payload.uint(), payload.uint(), payload.remaining]).toEqual([32 | 4, NOWAIT | BACKING, 0]);
});

test('interfaces of all domains are one call, which needs no QEMU', async () => {
  first().hung = true;
  const result = await client.interfaceStats(domains, 'all', Number.POSITIVE_INFINITY);
  expect(result).toMatchObject({ status: 'answered', value: [{}, {}, {}] });
  expect(fake.statsCalls).toEqual([{ names: ['vm-1', 'vm-2', 'vm-3'], groups: StatsGroup.interface }]);
});

describe('of a domain whose QEMU hangs', () => {
  beforeEach(() => {
    first().hung = true;
  });

  const statsCalls = (): number =>
    daemon.received.filter(({ procedure }) => procedure === GET_ALL_DOMAIN_STATS).length;

  test('a call is never given up: its answer comes after twenty days as well', async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
    const result = client.domainStats(first(), StatsGroup.block, TERMS);
    await daemon.waitFor(({ procedure }) => procedure === GET_ALL_DOMAIN_STATS);
    for (let second = 0; second < 3; second++) {
      jest.advanceTimersByTime(1_000);
      await settle();
    }
    expect(await result).toEqual({ status: 'unresponsive' });
    expect(unresponsive.has(first())).toBe(true);
    jest.advanceTimersByTime(20 * DAY_MS);
    await settle();
    expect(await client.domainStats(first(), StatsGroup.block, TERMS)).toEqual({ status: 'unresponsive' });
    expect(statsCalls()).toBe(1);
    fake.revive(first());
    while (unresponsive.has(first())) await settle();
    expect(await client.domainStats(first(), StatsGroup.block, TERMS)).toMatchObject({
      status: 'answered',
      value: [{ domain: { name: 'vm-1' } }],
    });
    expect(statsCalls()).toBe(2);
  });

  test('what needs no monitor is read, and so are the others', async () => {
    void client.domainStats(first(), StatsGroup.block, TERMS);
    await daemon.waitFor(({ procedure }) => procedure === GET_ALL_DOMAIN_STATS);
    const { deadline } = TERMS;
    expect(await client.cgroupCpuTimes(first(), deadline)).toMatchObject({ status: 'answered' });
    expect(await client.controlInfo(first(), deadline)).toMatchObject({
      status: 'answered',
      value: { isOccupied: true },
    });
    for (const domain of domains.slice(1))
      expect(await client.domainStats(domain, StatsGroup.block, TERMS)).toMatchObject({ status: 'answered' });
  });

  test('another run of it is a call of its own', async () => {
    void client.domainStats(first(), StatsGroup.block, TERMS);
    await daemon.waitFor(({ procedure }) => procedure === GET_ALL_DOMAIN_STATS);
    const next = Object.assign(first(), { id: 99, hung: false });
    expect(await client.domainStats(next, StatsGroup.block, TERMS)).toMatchObject({ status: 'answered' });
    expect(statsCalls()).toBe(2);
  });
});

test('the job of a domain, and a domain that is gone', async () => {
  first().job = true;
  expect(await client.jobStats(first(), TERMS)).toMatchObject({
    status: 'answered',
    value: { type: 2, params: new Map([['operation', 5]]) },
  });
  first().gone = true;
  await expect(client.jobStats(first(), TERMS)).rejects.toMatchObject({ number: 42 });
  expect(await client.domainStats(first(), StatsGroup.block, TERMS)).toEqual({
    status: 'answered',
    value: [],
  });
});

test('nothing is sent after its deadline', async () => {
  expect(await client.domainStats(first(), StatsGroup.block, { deadline: 0 })).toEqual({ status: 'unsent' });
  expect(await client.storagePools(0)).toEqual({ status: 'unsent' });
  expect(daemon.received).toEqual([]);
});
