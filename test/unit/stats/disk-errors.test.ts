import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { DISK_ERRORS } from '../../support/fake-stats.ts';
import { type MeasuredFleet, startMeasuredFleet } from './measured-fleet.ts';

let fleet: MeasuredFleet;

beforeEach(async () => {
  fleet = await startMeasuredFleet(3);
});

afterEach(() => fleet.stop());

const queried = (): string[] =>
  fleet.fake.otherCalls.filter(({ procedure }) => procedure === DISK_ERRORS).map(({ name }) => name);

test('only the disks of domains that a disk has stopped are queried, in each round', async () => {
  fleet.at(1).diskErrors = { vda: 2, vdb: 1 };
  const measured = await fleet.measure({ stopped: ['vm-1'] });
  expect(measured.of(fleet.at(1))?.diskErrors).toEqual(
    new Map([
      ['vda', 2],
      ['vdb', 1],
    ]),
  );
  expect(measured.of(fleet.at(0))?.diskErrors).toBeUndefined();
  await fleet.measure({ stopped: ['vm-1'] });
  expect(queried()).toEqual(['vm-1', 'vm-1']);
});

test('no disk is queried when its errors are not wanted', async () => {
  await fleet.measure({ stopped: ['vm-1'], kinds: ['block'] });
  expect(queried()).toEqual([]);
});

test('disks are queried when no other statistics are wanted', async () => {
  fleet.at(1).diskErrors = { vda: 1 };
  const measured = await fleet.measure({ stopped: ['vm-1'], kinds: ['disk-errors'] });
  expect(measured.of(fleet.at(1))).toMatchObject({ diskErrors: new Map([['vda', 1]]), complete: undefined });
  expect(fleet.fake.statsCalls).toEqual([]);
});

test('the query holds the job lock after the statistics, so these are whole', async () => {
  fleet.at(1).monitorMs = 20;
  fleet.at(1).diskErrors = { vda: 1 };
  const measured = await fleet.measure({ stopped: ['vm-1'] });
  expect(measured.of(fleet.at(1))).toMatchObject({ complete: true, diskErrors: new Map([['vda', 1]]) });
});

test('an error of libvirt costs nothing but the errors of that domain', async () => {
  fleet.at(1).fails = 38;
  const measured = await fleet.measure({ stopped: ['vm-1'] });
  expect(measured.of(fleet.at(1))?.diskErrors).toBeUndefined();
  expect(measured.of(fleet.at(0))?.complete).toBe(true);
  expect([...measured.failed]).toEqual([]);
});

test('a domain whose QEMU hangs is not queried', async () => {
  fleet.at(1).hung = true;
  const measured = await fleet.measure({ stopped: ['vm-1'] });
  expect(measured.of(fleet.at(1))?.diskErrors).toBeUndefined();
  expect(queried()).toEqual([]);
  fleet.fake.revive(fleet.at(1));
});

test("a domain's statistics have the time at which they were read", async () => {
  const now = jest.spyOn(Date, 'now').mockReturnValue(1_790_000_000_125);
  try {
    fleet.at(1).busy = true;
    const measured = await fleet.measure();
    expect(measured.of(fleet.at(0))?.readAtSeconds).toBe(1_790_000_000.125);
    // Another client holds its job lock: QEMU's values are missing.
    expect(measured.of(fleet.at(1))).toMatchObject({ complete: false, readAtSeconds: undefined });
    const withoutQemu = await fleet.measure({ kinds: ['interface'] });
    expect(withoutQemu.of(fleet.at(0))).toMatchObject({ complete: true, readAtSeconds: undefined });
  } finally {
    now.mockRestore();
  }
});
