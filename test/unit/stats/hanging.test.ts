import { afterEach, describe, expect, test } from '@jest/globals';
import { waitFor } from '../../../testbed/wait.ts';
import { fakeClock } from '../../support/fake-clock.ts';
import { AMPLE_MS, type MeasuredFleet, startMeasuredFleet } from './measured-fleet.ts';

/** virDomainStatsTypes: the one group that needs no QEMU. */
const INTERFACES = 16;

let fleet: MeasuredFleet;

afterEach(() => fleet.stop());

const startFleet = (count: number): Promise<MeasuredFleet> => startMeasuredFleet(count, fakeClock());

const every = (count: number, step: number, first = 0): number[] =>
  Array.from({ length: count }, (_, index) => index * step + first);

describe('a QEMU that does not answer its monitor', () => {
  test('loses its own statistics only, is not called again, and has them when it answers', async () => {
    fleet = await startFleet(20);
    const { fake, log, namesBut } = fleet;
    fleet.at(5).hung = true;
    expect(await fleet.complete()).toEqual(namesBut(5));
    expect(log).toMatchObject([{ domain: 'vm-5', level: 40 }]);
    expect(fleet.unresponsive.has(fleet.at(5))).toBe(true);

    const before = fake.statsCalls.length;
    expect(await fleet.complete()).toEqual(namesBut(5));
    const withQemu = fake.statsCalls.slice(before).filter(({ groups }) => groups !== INTERFACES);
    expect(withQemu.flatMap(({ names }) => names).sort()).toEqual(namesBut(5).sort());

    fake.revive(fleet.at(5));
    expect(await fleet.completeOnce(20)).toEqual(namesBut());
    expect(log).toMatchObject([{ domain: 'vm-5' }, { domain: 'vm-5', level: 30 }]);
    expect(fleet.unresponsive.size).toBe(0);
  });

  test('ten of them, one after the other: the others are complete in the same scrape', async () => {
    fleet = await startFleet(40);
    const hung = every(10, 1, 3);
    for (const index of hung) fleet.at(index).hung = true;
    expect(await fleet.complete()).toEqual(fleet.namesBut(...hung));
    expect(await fleet.complete()).toEqual(fleet.namesBut(...hung));
    const connections = fleet.daemon.sockets.size;
    expect(connections).toBeLessThanOrEqual(6);
    const connected = fleet.daemon.received.filter(({ procedure }) => procedure === 1).length;
    await fleet.complete();
    expect(fleet.daemon.received.filter(({ procedure }) => procedure === 1)).toHaveLength(connected);
  });

  test('fourteen of a hundred: a new exporter has the others complete in each scrape, and one that answers again', async () => {
    fleet = await startFleet(100);
    const hung = every(14, 7, 3);
    for (const index of hung) fleet.at(index).hung = true;
    for (let round = 0; round < 3; round++) expect(await fleet.complete()).toEqual(fleet.namesBut(...hung));
    await waitFor(async () => fleet.log.length === hung.length || undefined, {
      what: 'one log line for each hung domain',
      timeoutMs: AMPLE_MS,
      everyMs: 5,
    });
    fleet.fake.revive(fleet.at(3));
    expect(await fleet.completeOnce(87)).toEqual(fleet.namesBut(...hung.slice(1)));
  });

  test('more than the daemon has workers to spare: what needs no QEMU is still read, and the scrape ends in time', async () => {
    fleet = await startFleet(30);
    await fleet.complete();
    for (const domain of fleet.domains) domain.hung = true;
    const begun = fleet.clock.now();
    for (let round = 0; round < 2; round++) {
      const { of } = await fleet.measure({ timeoutMs: 6_000 });
      expect(fleet.clock.now() - begun).toBeLessThan(6_500);
      for (const domain of fleet.domains) {
        expect(of(domain)).toMatchObject({ complete: false, cpu: { total: 1.5 } });
        expect(of(domain)?.stats?.interfaces.get('vnet0')?.get('rx.bytes')).toBe(5);
      }
    }
    expect(fleet.fake.mostHanging()).toBe(15);
    for (const domain of fleet.domains) fleet.fake.revive(domain);
    expect(await fleet.completeOnce(30)).toEqual(fleet.namesBut());
  });

  test('has interfaces in the scrape that finds it hung already, as those need no monitor', async () => {
    fleet = await startFleet(2);
    fleet.at(0).hung = true;
    for (let round = 0; round < 2; round++) {
      const { of } = await fleet.measure();
      expect(of(fleet.at(0))?.complete).toBe(false);
      expect(of(fleet.at(0))?.stats?.interfaces.size).toBe(1);
    }
    expect(await fleet.complete(AMPLE_MS, ['interface'])).toEqual(fleet.namesBut());
  });

  test('that answers within a second is complete, and nothing is logged', async () => {
    fleet = await startFleet(20);
    fleet.at(5).hung = true;
    fleet.clock.after(950, () => fleet.fake.revive(fleet.at(5)));
    expect(await fleet.complete()).toEqual(fleet.namesBut());
    expect(fleet.log).toEqual([]);
  });

  test('has its last known job for one scrape more', async () => {
    fleet = await startFleet(2);
    const migrating = fleet.at(0);
    migrating.job = true;
    await fleet.complete();
    migrating.hung = true;
    await fleet.complete(AMPLE_MS, ['block']);
    const job = async () => (await fleet.measure({ kinds: ['job'] })).of(migrating)?.job;
    expect(await job()).toEqual({ params: new Map([['operation', 5]]) });
    expect(await job()).toBeUndefined();
    fleet.fake.revive(migrating);
    const again = await waitFor(job, { what: 'its job to be read again', timeoutMs: AMPLE_MS, everyMs: 5 });
    expect(again).toEqual({ params: new Map([['operation', 5]]) });
  });
});

describe('thirty hung of two hundred, more than statistics may hold workers', () => {
  const HUNG = every(30, 6, 5);
  const SOON_MS = 3_500;

  /** Measures; returns the domains that are complete, and checks that the scrape ended soon. */
  async function soonComplete(withinMs: number): Promise<string[]> {
    const begun = fleet.clock.now();
    const complete = await fleet.complete();
    expect(fleet.clock.now() - begun).toBeLessThan(withinMs);
    return complete;
  }

  test.each([
    ['a new exporter', false],
    ['an exporter that has read all of them before', true],
  ])('%s goes on serving the domains that answered in the last scrape', async (_who, isWarm) => {
    fleet = await startFleet(200);
    if (isWarm) expect(await fleet.complete()).toHaveLength(200);
    for (const index of HUNG) fleet.at(index).hung = true;
    let last = await soonComplete(SOON_MS);
    // At most fifteen of the hung domains are called, and these are the first: each before is complete.
    expect(last.length).toBeGreaterThanOrEqual(fleet.namesBut(...HUNG).indexOf('vm-89') + 1);
    for (let scrape = 0; scrape < 5; scrape++) {
      const complete = await soonComplete(1_500);
      expect(complete).toEqual(expect.arrayContaining(last));
      last = complete;
    }
    expect(fleet.fake.mostHanging()).toBeLessThanOrEqual(16);
    expect(fleet.budget.held).toBeLessThanOrEqual(16);
    for (const index of HUNG) fleet.fake.revive(fleet.at(index));
    expect(await fleet.completeOnce(200)).toEqual(fleet.namesBut());
  });
});

describe('a domain that ends while a call for it hangs', () => {
  /** Has vm-0 hang, and a call for its statistics and others wait for it. */
  async function hang(): Promise<void> {
    fleet = await startFleet(3);
    fleet.at(0).hung = true;
    expect(await fleet.complete()).toEqual(fleet.namesBut(0));
    expect(fleet.unresponsive.has(fleet.at(0))).toBe(true);
  }

  test('has its new run read, though libvirt never answers for the old one', async () => {
    await hang();
    Object.assign(fleet.at(0), { hung: false, id: 10 });
    expect(await fleet.complete()).toEqual(fleet.namesBut());
    expect(fleet.unresponsive.size).toBe(0);
  });

  test('has its new run read when all domains got new numbers', async () => {
    await hang();
    fleet.fake.revive(fleet.at(0));
    for (const domain of fleet.domains) Object.assign(domain, { id: domain.id + 10 });
    expect(await fleet.complete()).toEqual(fleet.namesBut());
  });

  test('is forgotten when it is destroyed or migrated away, and read when it comes back', async () => {
    await hang();
    const [, ...left] = fleet.domains;
    expect(fleet.namesOf(await fleet.measure({ running: left }))).toEqual(fleet.namesBut(0));
    expect(fleet.unresponsive.size).toBe(0);
    Object.assign(fleet.at(0), { hung: false, id: 10 });
    expect(await fleet.complete()).toEqual(fleet.namesBut());
  });

  test('but is only renamed is the same run: it is not called again until it answers, and complete then', async () => {
    await hang();
    const old = { ...fleet.at(0) };
    Object.assign(fleet.at(0), { name: 'renamed' });
    const before = fleet.fake.statsCalls.length;
    expect(await fleet.complete()).toEqual(['vm-1', 'vm-2']);
    expect(fleet.unresponsive.has(fleet.at(0))).toBe(true);
    expect(fleet.budget.held).toBe(1);
    const names = fleet.fake.statsCalls
      .slice(before)
      .flatMap((call) => (call.groups === 16 ? [] : call.names));
    expect(names.sort()).toEqual(['vm-1', 'vm-2']);
    fleet.at(0).hung = false;
    fleet.fake.revive(old);
    expect(await fleet.completeOnce(3)).toEqual(['renamed', 'vm-1', 'vm-2']);
    expect(fleet.unresponsive.size).toBe(0);
  });

  test('says nothing about the new run when libvirt answers for the old one at last', async () => {
    await hang();
    const old = { ...fleet.at(0) };
    Object.assign(fleet.at(0), { id: 10 });
    expect(await fleet.complete()).toEqual(fleet.namesBut(0));
    fleet.fake.revive(old);
    await waitFor(async () => fleet.budget.held === 1 || undefined, {
      what: 'the answer for the old run',
      timeoutMs: AMPLE_MS,
      everyMs: 5,
    });
    expect(fleet.unresponsive.has(fleet.at(0))).toBe(true);
    expect(fleet.log).toMatchObject([
      { domain: 'vm-0', level: 40 },
      { domain: 'vm-0', level: 40 },
    ]);
    expect(await fleet.complete()).toEqual(fleet.namesBut(0));
  });
});

describe('a healthy domain beside one that hangs', () => {
  test('whose job lock is held is not taken for hung, and is complete as soon as the lock is free', async () => {
    fleet = await startFleet(16);
    await fleet.complete();
    fleet.at(3).hung = true;
    fleet.at(5).busy = true;
    expect(await fleet.complete()).toEqual(fleet.namesBut(3, 5));
    expect(fleet.log).toMatchObject([{ domain: 'vm-3', level: 40 }]);
    fleet.at(5).busy = false;
    expect(await fleet.complete()).toEqual(fleet.namesBut(3));
    expect(fleet.log).toHaveLength(1);
  });

  test('whose job lock is held for an instant is complete in the same scrape', async () => {
    fleet = await startFleet(16);
    fleet.at(3).hung = true;
    fleet.at(5).busyFor = 2;
    expect(await fleet.complete()).toEqual(fleet.namesBut(3));
    expect(fleet.log).toMatchObject([{ domain: 'vm-3' }]);
  });
});

describe('on a busy host', () => {
  const SCRAPE_MS = 10_000;

  test('where each call takes 0.6 s, every domain is complete, and none is taken for hung', async () => {
    fleet = await startFleet(100);
    for (const domain of fleet.domains) domain.monitorMs = 600;
    for (let scrape = 0; scrape < 3; scrape++)
      expect(await fleet.complete(SCRAPE_MS)).toEqual(fleet.namesBut());
    expect(fleet.log).toEqual([]);
  });

  test('that becomes slower from scrape to scrape, up to 3 s a call, the same', async () => {
    fleet = await startFleet(30);
    for (const monitorMs of [10, 50, 200, 800, 1_500, 3_000]) {
      for (const domain of fleet.domains) domain.monitorMs = monitorMs;
      expect(await fleet.complete(SCRAPE_MS)).toEqual(fleet.namesBut());
    }
    expect(fleet.log).toEqual([]);
  });

  test('a QEMU that hangs is found all the same, and keeps no other from being complete', async () => {
    fleet = await startFleet(30);
    for (const domain of fleet.domains) domain.monitorMs = 600;
    expect(await fleet.complete(SCRAPE_MS)).toEqual(fleet.namesBut());
    fleet.at(7).hung = true;
    expect(await fleet.complete(SCRAPE_MS)).toEqual(fleet.namesBut(7));
    expect(fleet.log).toMatchObject([{ domain: 'vm-7', level: 40 }]);
  });
});

describe('a scrape that is too short to find out', () => {
  test('takes no domain for hung, ends in time, and is logged once', async () => {
    const clock = fakeClock();
    fleet = await startMeasuredFleet(40, clock);
    fleet.fake.delayMs = 60;
    for (let round = 0; round < 5; round++) {
      const begun = clock.now();
      expect((await fleet.complete(120, ['block'])).length).toBeLessThan(40);
      expect(clock.now() - begun).toBeLessThan(200);
      await clock.advance(1_000);
    }
    expect(fleet.log).toMatchObject([{ level: 40, msg: expect.stringContaining('had no time') }]);
    fleet.fake.delayMs = 0;
    expect(await fleet.complete()).toEqual(fleet.namesBut());
    expect(fleet.unresponsive.size).toBe(0);
    fleet.fake.delayMs = 60;
    await fleet.complete(120, ['block']);
    await clock.advance(1_000);
    expect(fleet.log).toHaveLength(2);
  });

  test('has the hung domain found out between scrapes, and the others complete then', async () => {
    fleet = await startFleet(20);
    fleet.at(5).hung = true;
    for (let round = 0; round < 20_000 && fleet.log.length === 0; round++) await fleet.complete(400);
    expect(fleet.log).toMatchObject([{ domain: 'vm-5', level: 40 }]);
    expect(await fleet.complete(400)).toEqual(fleet.namesBut(5));
    fleet.fake.revive(fleet.at(5));
    expect(await fleet.completeOnce(20)).toEqual(fleet.namesBut());
  });
});

describe.each([
  ['first in the list', (index: number) => index < 30],
  ['last in the list', (index: number) => index >= 170],
  ['all over the list', (index: number) => index % 6 === 5 && index < 180],
])('thirty of two hundred that hang, %s', (_, hangs) => {
  test('leave most of the others their statistics, and who was read goes on being read', async () => {
    fleet = await startFleet(200);
    expect(await fleet.complete()).toHaveLength(200);
    for (const [index, domain] of fleet.domains.entries()) domain.hung = hangs(index);
    const met = await fleet.complete();
    expect(met.length).toBeGreaterThan(40);
    for (let scrape = 0; scrape < 3; scrape++)
      expect(await fleet.complete()).toEqual(expect.arrayContaining(met));
  });
});
