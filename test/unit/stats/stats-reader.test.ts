import { afterEach, describe, expect, test } from '@jest/globals';
import { STATS } from '../../../src/stats/stats-reader.ts';
import { fakeUuid } from '../../support/fake-hypervisor.ts';
import { AMPLE_MS, type MeasuredFleet, startMeasuredFleet } from './measured-fleet.ts';

const ALL = new Set(STATS);

let fleet: MeasuredFleet;

afterEach(() => fleet.stop());

const ample = () => ({ deadline: performance.now() + AMPLE_MS });

describe('with QEMUs that answer', () => {
  test('each domain has its statistics, processor time and job', async () => {
    fleet = await startMeasuredFleet(20);
    const migrating = fleet.at(0);
    migrating.job = true;
    const measured = await fleet.reader.measure(fleet.domains, ALL, ample());
    for (const domain of fleet.domains) {
      const of = measured.of(domain);
      expect(of).toMatchObject({ complete: true, cpu: { total: 1.5, user: undefined } });
      expect(of?.stats?.blocks.get('vda')?.get('rd.reqs')).toBe(7);
      expect(of?.job).toEqual(domain === migrating ? { params: new Map([['operation', 5]]) } : 'none');
    }
    expect([...measured.failed]).toEqual([]);
  });

  test('each domain has one call', async () => {
    fleet = await startMeasuredFleet(20);
    for (const domain of fleet.domains) domain.monitorMs = 2;
    await fleet.complete();
    const [interfaces, ...others] = [...fleet.fake.statsCalls].sort((a, b) => a.groups - b.groups);
    expect(interfaces).toEqual({ names: fleet.namesBut(), groups: 16 });
    expect(others.flatMap(({ names }) => names).sort()).toEqual(fleet.namesBut().sort());
    expect(others.every(({ names }) => names.length === 1)).toBe(true);
  });

  test('only what is wanted is read', async () => {
    fleet = await startMeasuredFleet(3);
    const measured = await fleet.reader.measure(fleet.domains, new Set(['cpu']), ample());
    expect(fleet.fake.statsCalls).toEqual([]);
    expect(fleet.daemon.received.filter(({ procedure }) => procedure === 229)).toEqual([]);
    expect(measured.of({ uuid: fakeUuid(0), id: 1 })).toMatchObject({
      complete: undefined,
      stats: undefined,
    });
    expect(measured.pools).toBeUndefined();
  });

  test('libvirt is not called for vCPUs that are known already', async () => {
    fleet = await startMeasuredFleet(20);
    const { domains, fake, reader } = fleet;
    const known = new Set(domains.slice(0, 10).map(({ uuid }) => uuid));
    const host = ({ uuid }: { uuid: string }) => ({
      processState: 'S',
      cpu: undefined,
      hasCpuTimes: false,
      hasVcpus: known.has(uuid),
    });
    const options = { ...ample(), host };
    const { of } = await reader.measure(domains, new Set(['vcpu', 'block']), options);
    const vcpu = 8;
    const calledFor = (wanted: boolean): string[] =>
      fake.statsCalls
        .flatMap(({ names, groups }) => (((groups & vcpu) !== 0) === wanted ? names : []))
        .sort();
    const names = domains.map(({ name }) => name);
    expect(calledFor(false)).toEqual(names.slice(0, 10).sort());
    expect(calledFor(true)).toEqual(names.slice(10).sort());
    expect(domains.filter((domain) => of(domain)?.complete !== true)).toEqual([]);

    const before = fake.statsCalls.length;
    const onlyVcpus = await reader.measure(domains, new Set(['vcpu']), options);
    const again = fake.statsCalls.slice(before).flatMap((call) => call.names);
    expect(again.sort()).toEqual(names.slice(10).sort());
    expect(domains.map((domain) => onlyVcpus.of(domain)?.complete)).toEqual(
      domains.map(({ uuid }) => (known.has(uuid) ? undefined : true)),
    );
  });

  test('a domain that ended since it was listed has no statistics, and is no failure', async () => {
    fleet = await startMeasuredFleet(9);
    fleet.at(1).gone = true;
    expect(await fleet.complete()).toEqual(fleet.namesBut());
  });

  test('a domain with nothing but an empty drive is complete, by its balloon when that is not wanted', async () => {
    fleet = await startMeasuredFleet(3);
    fleet.at(1).emptyDrive = true;
    expect(await fleet.complete(AMPLE_MS, ['block'])).toEqual(fleet.namesBut());
  });

  test('a daemon that comes back is called over a new connection', async () => {
    fleet = await startMeasuredFleet(9);
    await fleet.complete();
    for (const socket of fleet.daemon.sockets) socket.destroy();
    expect(await fleet.completeOnce(9)).toEqual(fleet.namesBut());
  });
});

describe.each([1, 68])('a domain that libvirt fails on with error %i', (fails) => {
  test('takes nothing from the others', async () => {
    fleet = await startMeasuredFleet(20);
    for (const index of [2, 11]) fleet.at(index).fails = fails;
    expect(await fleet.complete()).toEqual(fleet.namesBut(2, 11));
    const { failed } = await fleet.reader.measure(fleet.domains, ALL, ample());
    expect([...failed]).toEqual([]);
    expect(fleet.log).toEqual([]);
  });

  test('when it is all of them, the kinds have failed, which is logged once whatever is read in between', async () => {
    fleet = await startMeasuredFleet(3);
    const kinds = ['balloon', 'vcpu', 'interface', 'block', 'cpu', 'job'] as const;
    for (const domain of fleet.domains) domain.fails = fails;
    for (let round = 0; round < 3; round++) {
      const { failed } = await fleet.reader.measure(fleet.domains, ALL, ample());
      expect([...failed]).toEqual(kinds);
      await fleet.reader.measure(fleet.domains, new Set(['pools']), ample());
      await fleet.reader.measure(fleet.domains, new Set(['block', 'cpu']), ample());
      const noTime = await fleet.reader.measure(fleet.domains, ALL, { deadline: performance.now() });
      expect([...noTime.failed]).toEqual([]);
    }
    expect(fleet.log).toMatchObject([{ level: 40, kinds }]);
    for (const domain of fleet.domains) domain.fails = undefined;
    await fleet.reader.measure(fleet.domains, new Set(['block']), ample());
    const { failed } = await fleet.reader.measure(fleet.domains, ALL, ample());
    expect([...failed]).toEqual([]);
    const later = { level: 30, kinds: ['balloon', 'vcpu', 'interface', 'cpu', 'job'] };
    expect(fleet.log.slice(1)).toMatchObject([{ level: 30, kinds: ['block'] }, later]);
  });
});

test('domains that have all ended are no failure', async () => {
  fleet = await startMeasuredFleet(2);
  for (const domain of fleet.domains) domain.gone = true;
  const { failed } = await fleet.reader.measure(fleet.domains, ALL, ample());
  expect([...failed]).toEqual([]);
});
