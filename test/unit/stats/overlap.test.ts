import { afterEach, expect, test } from '@jest/globals';
import { waitFor } from '../../../testbed/wait.ts';
import { AMPLE_MS, type MeasuredFleet, startMeasuredFleet } from './measured-fleet.ts';

/** virDomainStatsTypes: the one group that is read of many domains at once. */
const INTERFACES = 16;

let fleet: MeasuredFleet;

afterEach(() => fleet.stop());

const monitorCalls = (since = 0) =>
  fleet.fake.statsCalls.slice(since).filter(({ groups }) => groups !== INTERFACES);

const awaitCalls = (count: number) =>
  waitFor(async () => monitorCalls().length >= count || undefined, {
    what: 'the first scrape to be under way',
    timeoutMs: AMPLE_MS,
    everyMs: 1,
  });

test('overlapping scrapes of different kinds find no job lock held by each other', async () => {
  fleet = await startMeasuredFleet(100);
  for (const [index, domain] of fleet.domains.entries()) domain.monitorMs = 2 + (index % 5);
  for (let round = 0; round < 3; round++) {
    const before = monitorCalls().length;
    const first = fleet.complete();
    await awaitCalls(before + 5);
    const scrapes = [first, fleet.complete(AMPLE_MS, ['block']), fleet.complete(AMPLE_MS - 500)];
    for (const complete of await Promise.all(scrapes)) expect(complete).toEqual(fleet.namesBut());
  }
  expect(fleet.log).toEqual([]);
});

test('overlapping scrapes that need no more join the calls of the first', async () => {
  fleet = await startMeasuredFleet(20);
  for (const domain of fleet.domains) domain.monitorMs = 20;
  const kinds = ['balloon', 'vcpu', 'block'] as const;
  const first = fleet.complete(AMPLE_MS, kinds);
  const others = [fleet.complete(AMPLE_MS, ['block']), fleet.complete(AMPLE_MS, kinds)];
  for (const complete of await Promise.all([first, ...others])) expect(complete).toEqual(fleet.namesBut());
  expect(monitorCalls()).toHaveLength(20);
});

test('a scrape that needs more waits for the calls of the first, and then has all it needs', async () => {
  fleet = await startMeasuredFleet(4);
  for (const domain of fleet.domains) domain.monitorMs = 20;
  const first = fleet.measure({ kinds: ['balloon'] });
  const { of } = await fleet.measure({ kinds: ['block', 'vcpu'] });
  for (const domain of fleet.domains) {
    expect(of(domain)?.complete).toBe(true);
    expect(of(domain)?.stats?.blocks.get('vda')?.get('rd.reqs')).toBe(7);
    expect(of(domain)?.stats?.vcpus.get(0)?.get('time')).toBe(9);
  }
  expect(fleet.namesOf(await first)).toEqual(fleet.namesBut());
  expect(monitorCalls()).toHaveLength(8);
});

test('domains whose job lock another client holds are read again within the scrape', async () => {
  fleet = await startMeasuredFleet(40);
  for (const index of [0, 7, 8, 30]) fleet.at(index).busyFor = 1;
  fleet.at(31).busyFor = 2;
  expect(await fleet.complete()).toEqual(fleet.namesBut());
  expect(monitorCalls()).toHaveLength(40 + 4 + 2);
  expect(fleet.log).toEqual([]);
});

test('they are read a third time after a longer pause, unless the lock was held to the end of the last scrape', async () => {
  fleet = await startMeasuredFleet(40);
  fleet.at(7).busyFor = 3;
  expect(await fleet.complete()).toEqual(fleet.namesBut());
  const callsForOne = async () => {
    const before = fleet.fake.statsCalls.length;
    expect(await fleet.complete()).toEqual(fleet.namesBut(8));
    return monitorCalls(before).filter(({ names }) => names.includes('vm-8')).length;
  };
  fleet.at(8).busy = true;
  expect([await callsForOne(), await callsForOne()]).toEqual([4, 3]);
});

test('a scrape without time for the pause serves what is there', async () => {
  fleet = await startMeasuredFleet(2);
  fleet.at(1).busy = true;
  const begun = performance.now();
  const { of } = await fleet.measure({ timeoutMs: 100, kinds: ['block'] });
  expect(performance.now() - begun).toBeLessThan(1_000);
  expect(of(fleet.at(1))).toMatchObject({ complete: false });
  expect(of(fleet.at(1))?.stats?.blocks.has('vda')).toBe(true);
});

test('a domain whose job lock stays held has what needs no QEMU, and nothing is logged', async () => {
  fleet = await startMeasuredFleet(10);
  fleet.at(4).busy = true;
  const { of } = await fleet.measure();
  expect(of(fleet.at(4))).toMatchObject({ complete: false, cpu: { total: 1.5 } });
  expect(of(fleet.at(4))?.stats?.interfaces.size).toBe(1);
  expect(fleet.log).toEqual([]);
});

test('a scrape that waits for a hung domain keeps no other scrape waiting', async () => {
  fleet = await startMeasuredFleet(8);
  fleet.at(0).hung = true;
  const first = fleet.complete();
  expect(await fleet.complete(400, ['block'])).toEqual(fleet.namesBut(0));
  expect(await first).toEqual(fleet.namesBut(0));
});
