import { afterEach, expect, test } from '@jest/globals';
import { STATS } from '../../../src/stats/stats-reader.ts';
import { waitFor } from '../../../testbed/wait.ts';
import { AMPLE_MS, type MeasuredFleet, startMeasuredFleet } from './measured-fleet.ts';

let fleet: MeasuredFleet;

afterEach(() => fleet.stop());

test('two readings at once take no domain from each other', async () => {
  fleet = await startMeasuredFleet(100);
  for (const [index, domain] of fleet.domains.entries()) domain.monitorMs = 2 + (index % 5);
  const { bulkCalls } = fleet.fake;
  for (let round = 0; round < 3; round++) {
    const before = bulkCalls.length;
    const first = fleet.complete();
    await waitFor(async () => bulkCalls.length > before + 5 || undefined, {
      what: 'the first reading to be under way',
      timeoutMs: AMPLE_MS,
      everyMs: 1,
    });
    const readings = [first, fleet.complete(AMPLE_MS, ['block']), fleet.complete(AMPLE_MS - 500)];
    for (const complete of await Promise.all(readings)) expect(complete).toEqual(fleet.namesBut());
  }
  expect(fleet.log).toEqual([]);
});

test('domains that another client is at work on when they are asked are asked again in the same scrape', async () => {
  fleet = await startMeasuredFleet(40);
  for (const index of [0, 7, 8, 30]) fleet.at(index).busyFor = 1;
  fleet.at(31).busyFor = 2;
  expect(await fleet.complete()).toEqual(fleet.namesBut());
  expect(fleet.log).toEqual([]);
});

test('the last time a good while later, unless they were busy to the end of the last reading', async () => {
  fleet = await startMeasuredFleet(40);
  fleet.at(7).busyFor = 3;
  expect(await fleet.complete()).toEqual(fleet.namesBut());
  const timesAsked = async () => {
    const before = fleet.fake.bulkCalls.length;
    expect(await fleet.complete()).toEqual(fleet.namesBut(8));
    return fleet.fake.bulkCalls.slice(before).filter(({ names }) => names.includes('vm-8')).length;
  };
  fleet.at(8).busy = true;
  expect([await timesAsked(), await timesAsked()]).toEqual([4, 3]);
});

test('one that stays busy is incomplete, with what needs no QEMU, and nothing is said of it', async () => {
  fleet = await startMeasuredFleet(10);
  fleet.at(4).busy = true;
  const { of } = await fleet.reader.measure(fleet.domains, new Set(STATS), {
    deadline: performance.now() + AMPLE_MS,
  });
  expect(of(fleet.at(4))).toMatchObject({ complete: false, cpu: { total: 1.5 } });
  expect(of(fleet.at(4))?.stats?.interfaces.size).toBe(1);
  expect(fleet.log).toEqual([]);
});

test('a reading that takes long leaves the next one half its time', async () => {
  fleet = await startMeasuredFleet(8);
  fleet.at(0).hung = true;
  const first = fleet.complete();
  expect(await fleet.complete(400, ['block'])).toEqual([]);
  expect(await first).toEqual(fleet.namesBut(0));
});
