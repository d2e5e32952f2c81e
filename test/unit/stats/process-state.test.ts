import { afterEach, expect, test } from '@jest/globals';
import { type HostView, STATS, type StatsKind } from '../../../src/stats/stats-reader.ts';
import { fakeClock } from '../../support/fake-clock.ts';
import { CPU_STATS } from '../../support/fake-stats.ts';
import { type MeasuredFleet, PLAIN_HOST, startMeasuredFleet } from './measured-fleet.ts';

const INTERFACES = 16;

let fleet: MeasuredFleet;

afterEach(() => fleet.stop());

/** A host that shows these states, and the processor time of each process. */
const hostWith =
  (states: Readonly<Record<string, string>>) =>
  (name: string): HostView => ({
    ...PLAIN_HOST,
    processState: states[name] ?? 'S',
    cpu: { total: 3, user: 2, system: 1 },
    hasCpuTimes: true,
  });

const monitorCalls = (): string[] =>
  fleet.fake.statsCalls.flatMap(({ names, groups }) => (groups === INTERFACES ? [] : names));

test.each(['T', 't'])(
  'no call that needs QEMU is sent for a process in state %s, and its other series stay',
  async (state) => {
    fleet = await startMeasuredFleet(20);
    // A call would wait.
    fleet.at(3).hung = true;
    const host = hostWith({ 'vm-3': state });
    for (let scrape = 0; scrape < 2; scrape++) {
      const begun = performance.now();
      const measured = await fleet.measure({ host });
      expect(performance.now() - begun).toBeLessThan(1_000);
      expect(fleet.namesOf(measured)).toEqual(fleet.namesBut(3));
      const stopped = measured.of(fleet.at(3));
      expect(stopped).toMatchObject({
        complete: false,
        cpu: { total: 3, user: 2, system: 1 },
        job: undefined,
      });
      expect(stopped?.stats?.interfaces.get('vnet0')?.get('rx.bytes')).toBe(5);
      expect([...measured.failed]).toEqual([]);
    }
    expect(monitorCalls()).not.toContain('vm-3');
    expect(fleet.fake.otherCalls.filter(({ name }) => name === 'vm-3')).toEqual([]);
    expect(fleet.fake.mostHanging()).toBe(0);
    expect(fleet.unresponsive.has(fleet.at(3))).toBe(true);
    expect(fleet.log).toMatchObject([{ domain: 'vm-3', cause: 'stopped', level: 40 }]);
  },
);

test('a process that has ended is no process that does not respond: libvirt says that the domain stops', async () => {
  fleet = await startMeasuredFleet(3);
  for (const state of ['Z', 'X']) await fleet.measure({ host: hostWith({ 'vm-1': state }) });
  expect(fleet.unresponsive.size).toBe(0);
  expect(fleet.log).toEqual([]);
});

test('a process that is continued is read in the same scrape', async () => {
  fleet = await startMeasuredFleet(3);
  await fleet.measure({ host: hostWith({ 'vm-1': 'T' }) });
  expect(fleet.namesOf(await fleet.measure({ host: hostWith({}) }))).toEqual(fleet.namesBut());
  expect(fleet.unresponsive.size).toBe(0);
  expect(fleet.log).toMatchObject([
    { domain: 'vm-1', level: 40 },
    { domain: 'vm-1', level: 30 },
  ]);
});

test('any number of stopped processes costs the others nothing', async () => {
  fleet = await startMeasuredFleet(200);
  const stopped = Array.from({ length: 100 }, (_, index) => 2 * index);
  for (const index of stopped) fleet.at(index).hung = true;
  const host = hostWith(Object.fromEntries(stopped.map((index) => [`vm-${index}`, 'T'])));
  for (let scrape = 0; scrape < 2; scrape++)
    expect(fleet.namesOf(await fleet.measure({ host }))).toEqual(fleet.namesBut(...stopped));
  expect(fleet.fake.mostHanging()).toBe(0);
});

test('six of sixty that are stopped at once make no scrape wait, the first that meets them included', async () => {
  const clock = fakeClock();
  fleet = await startMeasuredFleet(60, clock);
  const stopped = [4, 13, 22, 31, 40, 59];
  for (let scrape = 0; scrape < 2; scrape++)
    expect(fleet.namesOf(await fleet.measure({ host: hostWith({}) }))).toEqual(fleet.namesBut());
  for (const index of stopped) fleet.at(index).hung = true;
  const host = hostWith(Object.fromEntries(stopped.map((index) => [`vm-${index}`, 'T'])));
  for (let scrape = 0; scrape < 3; scrape++)
    expect(fleet.namesOf(await fleet.measure({ host }))).toEqual(fleet.namesBut(...stopped));
  expect(clock.now()).toBe(0);
});

test('a process that is stopped while a call for it hangs does not respond until both are over', async () => {
  fleet = await startMeasuredFleet(3);
  fleet.at(1).hung = true;
  await fleet.measure({ host: hostWith({}) });
  await fleet.measure({ host: hostWith({ 'vm-1': 'T' }) });
  expect(fleet.namesOf(await fleet.measure({ host: hostWith({}) }))).toEqual(fleet.namesBut(1));
  expect(fleet.unresponsive.has(fleet.at(1))).toBe(true);
  expect(fleet.log).toMatchObject([{ domain: 'vm-1', level: 40 }]);
  fleet.fake.revive(fleet.at(1));
  expect(await fleet.completeOnce(3)).toEqual(fleet.namesBut());
  expect(fleet.log).toHaveLength(2);
});

test.each<[string, readonly StatsKind[]]>([
  ['with all kinds', STATS],
  ['with one kind', ['block']],
])('a process that waits for a device (D) is read last, %s', async (_what, kinds) => {
  fleet = await startMeasuredFleet(30);
  const waiting = ['vm-0', 'vm-7', 'vm-15'];
  const host = hostWith(Object.fromEntries(waiting.map((name) => [name, 'D'])));
  expect(fleet.namesOf(await fleet.measure({ host, kinds }))).toEqual(fleet.namesBut());
  // Up to eight calls are under way at once, over two connections, and these may arrive in another order.
  expect(monitorCalls().slice(-3 - 8)).toEqual(expect.arrayContaining(waiting));
});

test('processes that wait for a device and hang, more than statistics may hold workers: all others are complete', async () => {
  fleet = await startMeasuredFleet(60);
  const waiting = Array.from({ length: 20 }, (_, index) => 3 * index);
  for (const index of waiting) fleet.at(index).hung = true;
  const host = hostWith(Object.fromEntries(waiting.map((index) => [`vm-${index}`, 'D'])));
  for (let scrape = 0; scrape < 3; scrape++)
    expect(fleet.namesOf(await fleet.measure({ host }))).toEqual(fleet.namesBut(...waiting));
});

test('a process that cannot be seen is called as before, and libvirt returns its processor time', async () => {
  fleet = await startMeasuredFleet(3);
  const host = (name: string): HostView =>
    name === 'vm-1' ? { ...PLAIN_HOST, processState: undefined } : hostWith({})(name);
  const measured = await fleet.measure({ host });
  expect(fleet.namesOf(measured)).toEqual(fleet.namesBut());
  expect(fleet.domains.map((domain) => measured.of(domain)?.cpu?.total)).toEqual([3, 1.5, 3]);
  const cpuCalls = fleet.fake.otherCalls.filter(({ procedure }) => procedure === CPU_STATS);
  expect(cpuCalls.map(({ name }) => name)).toEqual(['vm-1']);
});
