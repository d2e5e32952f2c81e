import { afterEach, describe, expect, test } from '@jest/globals';
import { STATS } from '../../../src/stats/stats-reader.ts';
import { waitFor } from '../../../testbed/wait.ts';
import { AMPLE_MS, type MeasuredFleet, startMeasuredFleet } from './measured-fleet.ts';

const ALL = new Set(STATS);

let fleet: MeasuredFleet;

afterEach(() => fleet.stop());

const askedAlone = (index: number): number =>
  fleet.fake.bulkCalls.filter(({ names }) => names.length === 1 && names[0] === `vm-${index}`).length;

/** Resolves once a late batch made the reader ask a domain alone. */
const onceAskedAlone = (index: number) =>
  waitFor(async () => askedAlone(index) > 0 || undefined, {
    what: `vm-${index} to be asked alone`,
    timeoutMs: AMPLE_MS,
    everyMs: 5,
  });

describe('a QEMU that does not answer its monitor', () => {
  test('costs only its own statistics, and is asked again when it answers', async () => {
    fleet = await startMeasuredFleet(20);
    const { fake, log, namesBut } = fleet;
    fleet.at(5).hung = true;
    expect(await fleet.complete()).toEqual(namesBut(5));
    expect(log).toMatchObject([{ domain: 'vm-5', level: 40 }]);

    const before = fake.bulkCalls.length;
    expect(await fleet.complete()).toEqual(namesBut(5));
    const withQemu = fake.bulkCalls.slice(before).filter(({ groups }) => groups !== 16);
    expect(withQemu.flatMap(({ names }) => names)).toEqual(namesBut(5));

    fake.revive(fleet.at(5));
    expect(await fleet.completeOnce(20)).toEqual(namesBut());
    expect(log).toMatchObject([{ domain: 'vm-5' }, { domain: 'vm-5', level: 30 }]);
  });

  test('ten of them, all in the first two batches: the others are complete in the same scrape', async () => {
    fleet = await startMeasuredFleet(40);
    const hung = Array.from({ length: 10 }, (_, index) => index + 3);
    for (const index of hung) fleet.at(index).hung = true;
    expect(await fleet.complete()).toEqual(fleet.namesBut(...hung));
    expect(await fleet.complete()).toEqual(fleet.namesBut(...hung));
    const connections = fleet.daemon.sockets.size;
    expect(connections).toBeLessThanOrEqual(6);
    const connected = fleet.daemon.received.filter(({ procedure }) => procedure === 1).length;
    await fleet.complete();
    expect(fleet.daemon.received.filter(({ procedure }) => procedure === 1)).toHaveLength(connected);
  });

  test('fourteen of a hundred: the others are complete in each scrape, and one that answers is back', async () => {
    // The exporter is new: it does not know who answers.
    fleet = await startMeasuredFleet(100);
    const hung = Array.from({ length: 14 }, (_, index) => index * 7 + 3);
    for (const index of hung) fleet.at(index).hung = true;
    for (let round = 0; round < 3; round++) expect(await fleet.complete()).toEqual(fleet.namesBut(...hung));
    await waitFor(async () => fleet.log.length === hung.length || undefined, {
      what: 'each that hangs to be logged once',
      timeoutMs: AMPLE_MS,
      everyMs: 5,
    });
    // Thirteen go on hanging.
    fleet.fake.revive(fleet.at(3));
    expect(await fleet.completeOnce(87)).toEqual(fleet.namesBut(...hung.slice(1)));
  });

  test('more than the daemon has workers to spare: what needs no QEMU is still read, and the scrape ends in time', async () => {
    fleet = await startMeasuredFleet(30);
    await fleet.complete();
    for (const domain of fleet.domains) domain.hung = true;
    const begun = performance.now();
    for (let round = 0; round < 2; round++) {
      const { of } = await fleet.reader.measure(fleet.domains, ALL, { deadline: performance.now() + 6_000 });
      expect(performance.now() - begun).toBeLessThan(6_500);
      for (const domain of fleet.domains) {
        expect(of(domain)).toMatchObject({ complete: false, cpu: { total: 1.5 } });
        expect(of(domain)?.stats?.interfaces.get('vnet0')?.get('rx.bytes')).toBe(5);
      }
    }
    expect(fleet.fake.mostHanging()).toBe(15);
    for (const domain of fleet.domains) fleet.fake.revive(domain);
    expect(await fleet.completeOnce(30)).toEqual(fleet.namesBut());
  });

  test('its interfaces are told in the scrape that finds it already, as those need no monitor', async () => {
    fleet = await startMeasuredFleet(2);
    fleet.at(0).hung = true;
    for (let round = 0; round < 2; round++) {
      const { of } = await fleet.reader.measure(fleet.domains, ALL, {
        deadline: performance.now() + AMPLE_MS,
      });
      expect(of(fleet.at(0))?.complete).toBe(false);
      expect(of(fleet.at(0))?.stats?.interfaces.size).toBe(1);
    }
    expect(await fleet.complete(AMPLE_MS, ['interface'])).toEqual(fleet.namesBut());
  });

  test('one that answers while it is looked at is complete, and nothing is said of it', async () => {
    fleet = await startMeasuredFleet(20);
    fleet.at(5).hung = true;
    const complete = fleet.complete();
    await onceAskedAlone(5);
    fleet.fake.revive(fleet.at(5));
    expect(await complete).toEqual(fleet.namesBut());
    expect(fleet.log).toEqual([]);
  });

  test('another run of the same domain is asked like any other', async () => {
    fleet = await startMeasuredFleet(2);
    fleet.at(0).hung = true;
    await fleet.complete();
    fleet.fake.revive(fleet.at(0));
    for (const domain of fleet.domains) Object.assign(domain, { id: domain.id + 10 });
    expect(await fleet.complete()).toEqual(['vm-0', 'vm-1']);
  });

  test('its job is told for one round more', async () => {
    fleet = await startMeasuredFleet(2);
    const migrating = fleet.at(0);
    Object.assign(migrating, { job: true, hung: true });
    await fleet.complete();
    const job = async () => {
      const { of } = await fleet.reader.measure(fleet.domains, new Set(['job']), {
        deadline: performance.now() + AMPLE_MS,
      });
      return of(migrating)?.job;
    };
    expect(await job()).toEqual({ params: new Map([['operation', 5]]) });
    expect(await job()).toBeUndefined();
    fleet.fake.revive(migrating);
    expect(await job()).toEqual({ params: new Map([['operation', 5]]) });
  });
});

describe('a healthy neighbour of one that hangs', () => {
  test('that something keeps busy is not set aside, and is complete as soon as it is not busy', async () => {
    fleet = await startMeasuredFleet(16);
    await fleet.complete();
    fleet.at(3).hung = true;
    fleet.at(5).busy = true;
    expect(await fleet.complete()).toEqual(fleet.namesBut(3, 5));
    expect(fleet.log).toMatchObject([{ domain: 'vm-3', level: 40 }]);
    fleet.at(5).busy = false;
    expect(await fleet.complete()).toEqual(fleet.namesBut(3));
    expect(fleet.log).toHaveLength(1);
  });

  test('that is busy for an instant is complete in the same scrape', async () => {
    fleet = await startMeasuredFleet(16);
    fleet.at(3).hung = true;
    // With the batch, the culprit's, it is not asked: that waits before it.
    fleet.at(5).busyFor = 2;
    expect(await fleet.complete()).toEqual(fleet.namesBut(3));
    expect(fleet.log).toMatchObject([{ domain: 'vm-3' }]);
  });
});

describe('a domain whose interfaces take long to tell', () => {
  test('has its disks all the same, is logged once, and is back when they do not', async () => {
    fleet = await startMeasuredFleet(16);
    await fleet.complete();
    fleet.at(3).interfacesHang = true;
    for (let round = 0; round < 3; round++) {
      expect(await fleet.complete()).toEqual(fleet.namesBut(3));
      const disks = await fleet.complete(AMPLE_MS, ['block', 'balloon']);
      expect(disks).toEqual(fleet.namesBut());
    }
    expect(fleet.log).toMatchObject([{ domain: 'vm-3', level: 40 }]);
    fleet.fake.revive(fleet.at(3));
    expect(await fleet.completeOnce(16)).toEqual(fleet.namesBut());
    expect(fleet.log).toHaveLength(2);
  });
});

describe('a scrape that is too short to tell', () => {
  test('sets nobody aside, and ends in time', async () => {
    fleet = await startMeasuredFleet(40);
    fleet.fake.delayMs = 60;
    for (let round = 0; round < 5; round++) {
      const begun = performance.now();
      await fleet.complete(120);
      expect(performance.now() - begun).toBeLessThan(400);
    }
    expect(await fleet.complete()).toEqual(fleet.namesBut());
    expect(fleet.log).toEqual([]);
  });

  test('has the culprit found with nobody waiting, and the others complete then', async () => {
    fleet = await startMeasuredFleet(20);
    fleet.at(5).hung = true;
    for (let round = 0; round < 20_000 && fleet.log.length === 0; round++) await fleet.complete(400);
    expect(fleet.log).toMatchObject([{ domain: 'vm-5', level: 40 }]);
    expect(await fleet.complete(400)).toEqual(fleet.namesBut(5));
    fleet.fake.revive(fleet.at(5));
    expect(await fleet.completeOnce(20)).toEqual(fleet.namesBut());
  });
});
