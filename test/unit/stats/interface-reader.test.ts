import { afterEach, describe, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { InterfaceReader } from '../../../src/stats/interface-reader.ts';
import { fakeUuid } from '../../support/fake-hypervisor.ts';
import { type FakeLibvirtd, startFakeLibvirtd } from '../../support/fake-libvirtd.ts';
import { type FakeStats, fakeStats, type MeasuredFake } from '../../support/fake-stats.ts';
import { type FakePool, poolOf } from '../../support/pool-of.ts';
import { AMPLE_MS, type MeasuredFleet, startMeasuredFleet } from './measured-fleet.ts';

let domains: MeasuredFake[];
let fake: FakeStats;
let daemon: FakeLibvirtd | undefined;
let pool: FakePool['pool'] | undefined;
let reader: InterfaceReader;
let log: Record<string, unknown>[];
let fleet: MeasuredFleet | undefined;

afterEach(async () => {
  await pool?.stop();
  await daemon?.stop();
  await fleet?.stop();
  daemon = undefined;
  pool = undefined;
  fleet = undefined;
});

async function setUp(count: number): Promise<void> {
  domains = Array.from({ length: count }, (_, index) => ({
    name: `vm-${index}`,
    uuid: fakeUuid(index),
    id: index + 1,
  }));
  fake = fakeStats(domains);
  daemon = await startFakeLibvirtd(fake.handler);
  log = [];
  const logger = pino({ base: null }, { write: (line: string) => log.push(JSON.parse(line)) });
  const made = poolOf(daemon, logger);
  pool = made.pool;
  reader = new InterfaceReader(made.statistics, logger);
}

const at = (index: number): MeasuredFake => {
  const domain = domains[index];
  if (domain === undefined) throw new Error(`no domain ${index}`);
  return domain;
};

const namesBut = (...left: number[]): string[] =>
  domains.filter((_, index) => !left.includes(index)).map(({ name }) => name);

/** Names of the domains whose interfaces were read, and why none was. */
async function read(timeoutMs = AMPLE_MS): Promise<{ names: string[]; failure: unknown }> {
  const { interfaces, failure } = await reader.read(domains, performance.now() + timeoutMs);
  const names = domains.filter(({ uuid, id }) => interfaces.has(`${uuid} ${id}`)).map(({ name }) => name);
  return { names, failure };
}

describe('the interfaces of all domains', () => {
  test('are read with one call', async () => {
    await setUp(50);
    expect(await read()).toEqual({ names: namesBut(), failure: undefined });
    expect(fake.statsCalls).toEqual([{ names: namesBut(), groups: 16 }]);
  });

  test('with no domain take no call', async () => {
    await setUp(0);
    expect(await read()).toEqual({ names: [], failure: undefined });
    expect(fake.statsCalls).toEqual([]);
  });

  test('of overlapping scrapes are read with one call', async () => {
    await setUp(5);
    fake.delayMs = 20;
    for (const { names } of await Promise.all([read(), read(), read()])) expect(names).toEqual(namesBut());
    expect(fake.statsCalls).toHaveLength(1);
  });

  test('of a domain that has ended are none, which is no failure', async () => {
    await setUp(3);
    at(1).gone = true;
    expect(await read()).toEqual({ names: namesBut(), failure: undefined });
  });

  test('are read though every QEMU hangs', async () => {
    await setUp(3);
    for (const domain of domains) domain.hung = true;
    expect(await read()).toEqual({ names: namesBut(), failure: undefined });
  });
});

describe('a domain whose interfaces libvirt does not return in time', () => {
  test('has none, is logged once and read by a call of its own; the others keep theirs', async () => {
    await setUp(16);
    at(3).interfacesHang = true;
    expect((await read()).names).toEqual(namesBut(3));
    const before = fake.statsCalls.length;
    const begun = performance.now();
    expect((await read()).names).toEqual(namesBut(3));
    expect(performance.now() - begun).toBeLessThan(900);
    // The call of before has no answer yet.
    expect(fake.statsCalls.slice(before)).toEqual([{ names: namesBut(3), groups: 16 }]);
    expect(log).toMatchObject([{ domain: 'vm-3', level: 40 }]);
    fake.revive(at(3));
    for (let round = 0; round < 1_000 && log.length < 2; round++) await read();
    expect((await read()).names).toEqual(namesBut());
    expect(log).toMatchObject([{ domain: 'vm-3' }, { domain: 'vm-3', level: 30 }]);
  });

  test('does not keep its next run apart', async () => {
    await setUp(4);
    at(0).interfacesHang = true;
    await read();
    Object.assign(at(0), { interfacesHang: false, id: 10 });
    const before = fake.statsCalls.length;
    expect((await read()).names).toEqual(namesBut());
    expect(fake.statsCalls.slice(before)).toEqual([{ names: namesBut(), groups: 16 }]);
  });

  test('has its disks all the same', async () => {
    fleet = await startMeasuredFleet(16);
    fleet.at(3).interfacesHang = true;
    for (let round = 0; round < 3; round++) {
      expect(await fleet.complete()).toEqual(fleet.namesBut(3));
      expect(await fleet.complete(AMPLE_MS, ['block', 'balloon'])).toEqual(fleet.namesBut());
    }
    expect(fleet.log).toMatchObject([{ domain: 'vm-3', level: 40 }]);
    fleet.fake.revive(fleet.at(3));
    expect(await fleet.completeOnce(16)).toEqual(fleet.namesBut());
  });
});

describe('an error of libvirt', () => {
  test('about one domain takes nothing from the others, and is not logged as a timeout', async () => {
    await setUp(5);
    at(2).fails = 1;
    for (let round = 0; round < 2; round++)
      expect(await read()).toEqual({ names: namesBut(2), failure: undefined });
    expect(log).toEqual([]);
  });

  test('about each domain is the failure that is returned', async () => {
    await setUp(3);
    for (const domain of domains) domain.fails = 1;
    const { names, failure } = await read();
    expect(names).toEqual([]);
    expect(failure).toMatchObject({ number: 1 });
    expect(log).toEqual([]);
  });

  test('about a connection that is lost is not logged here', async () => {
    await setUp(3);
    await daemon?.stop();
    const { names, failure } = await read();
    expect(names).toEqual([]);
    expect(failure).toMatchObject({ code: expect.stringMatching(/^ERR_LIBVIRT_/) });
    expect(log).toEqual([]);
  });
});

test('a scrape without time has none, and takes no domain for slow', async () => {
  await setUp(3);
  expect(await read(0)).toEqual({ names: [], failure: undefined });
  expect(log).toEqual([]);
  expect((await read()).names).toEqual(namesBut());
});
