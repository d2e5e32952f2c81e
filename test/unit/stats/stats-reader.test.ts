import { afterEach, describe, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { STATS, StatsReader } from '../../../src/stats/stats-reader.ts';
import { fakeUuid } from '../../support/fake-hypervisor.ts';
import { type FakeLibvirtd, startFakeLibvirtd, targetOf } from '../../support/fake-libvirtd.ts';
import { type FakeStats, fakeStats, type MeasuredFake } from '../../support/fake-stats.ts';

const ALL = new Set(STATS);
const AMPLE_MS = 8_000;

let daemon: FakeLibvirtd;
let reader: StatsReader;
let log: Record<string, unknown>[];

afterEach(async () => {
  await reader.stop();
  await daemon.stop();
});

async function setUp(count: number): Promise<{ domains: MeasuredFake[]; fake: FakeStats }> {
  const domains = Array.from(
    { length: count },
    (_, index): MeasuredFake => ({ name: `vm-${index}`, uuid: fakeUuid(index), id: index + 1 }),
  );
  const fake = fakeStats(domains);
  daemon = await startFakeLibvirtd(fake.handler);
  log = [];
  reader = new StatsReader({
    target: targetOf(daemon.path),
    timeoutMs: 1_000,
    onCallSent: () => undefined,
    log: pino({ base: null }, { write: (line: string) => log.push(JSON.parse(line)) }),
  });
  reader.start();
  return { domains, fake };
}

async function completeNames(domains: readonly MeasuredFake[], timeoutMs = AMPLE_MS): Promise<string[]> {
  const measured = await reader.measure(domains, ALL, { deadline: performance.now() + timeoutMs });
  return domains.filter((domain) => measured.of(domain)?.complete === true).map(({ name }) => name);
}

/** Reads on until every domain is complete, a hundred times at most; the names of the last reading. */
async function untilComplete(domains: readonly MeasuredFake[]): Promise<string[]> {
  let complete: string[] = [];
  for (let round = 0; round < 100 && complete.length < domains.length; round++)
    complete = await completeNames(domains);
  return complete;
}

const namesBut = (domains: readonly MeasuredFake[], ...left: number[]): string[] =>
  domains.filter((_, index) => !left.includes(index)).map(({ name }) => name);

describe('when every QEMU answers', () => {
  test('each domain has its statistics, processor time and job', async () => {
    const { domains } = await setUp(20);
    const [migrating] = domains;
    if (migrating !== undefined) migrating.job = true;
    const measured = await reader.measure(domains, ALL, { deadline: performance.now() + AMPLE_MS });
    for (const domain of domains) {
      const of = measured.of(domain);
      expect(of).toMatchObject({ complete: true, cpu: { total: 1.5, user: undefined } });
      expect(of?.stats?.blocks.get('vda')?.get('rd.reqs')).toBe(7);
      expect(of?.job).toEqual(domain === migrating ? { params: new Map([['operation', 5]]) } : 'none');
    }
  });

  test('only what is wanted is asked for', async () => {
    const { domains, fake } = await setUp(3);
    const measured = await reader.measure(domains, new Set(['cpu']), {
      deadline: performance.now() + AMPLE_MS,
    });
    expect(fake.bulkCalls).toEqual([]);
    expect(daemon.received.filter(({ procedure }) => procedure === 229)).toEqual([]);
    expect(measured.of({ uuid: fakeUuid(0), id: 1 })).toMatchObject({
      complete: undefined,
      stats: undefined,
    });
    expect(measured.pools).toBeUndefined();
  });

  test('libvirt is not asked for the vCPUs that are known already', async () => {
    const { domains, fake } = await setUp(20);
    const known = new Set(domains.slice(0, 10).map(({ uuid }) => uuid));
    const options = {
      deadline: performance.now() + AMPLE_MS,
      hasVcpus: ({ uuid }: { uuid: string }) => known.has(uuid),
    };
    const { of } = await reader.measure(domains, new Set(['vcpu', 'block']), options);
    const vcpu = 8;
    const askedFor = (wanted: boolean): string[] =>
      fake.bulkCalls.flatMap(({ names, groups }) => (((groups & vcpu) !== 0) === wanted ? names : []));
    expect(askedFor(false)).toEqual(domains.slice(0, 10).map(({ name }) => name));
    expect(askedFor(true)).toEqual(domains.slice(10).map(({ name }) => name));
    expect(domains.filter((domain) => of(domain)?.complete !== true)).toEqual([]);

    const before = fake.bulkCalls.length;
    const onlyVcpus = await reader.measure(domains, new Set(['vcpu']), options);
    expect(fake.bulkCalls.slice(before).flatMap(({ names }) => names)).toEqual(
      domains.slice(10).map(({ name }) => name),
    );
    expect(domains.map((domain) => onlyVcpus.of(domain)?.complete)).toEqual(
      domains.map(({ uuid }) => (known.has(uuid) ? undefined : true)),
    );
  });

  test('a domain that stopped since it was listed has none, and is no failure', async () => {
    const { domains } = await setUp(9);
    const [, stopped] = domains;
    if (stopped !== undefined) stopped.gone = true;
    expect(await completeNames(domains)).toEqual(namesBut(domains));
  });

  test('a daemon that comes back is asked over a new connection', async () => {
    const { domains } = await setUp(9);
    await completeNames(domains);
    for (const socket of daemon.sockets) socket.destroy();
    expect(await untilComplete(domains)).toEqual(namesBut(domains));
  });
});

describe('a domain that libvirt fails on', () => {
  test('takes nothing from those in its batch', async () => {
    const { domains } = await setUp(20);
    for (const index of [2, 11]) Object.assign(domains[index] ?? {}, { broken: true });
    expect(await completeNames(domains)).toEqual(namesBut(domains, 2, 11));
    const { failed } = await reader.measure(domains, ALL, { deadline: performance.now() + AMPLE_MS });
    expect([...failed]).toEqual([]);
    expect(log).toEqual([]);
  });

  test('when it is all of them, the kinds have failed, which is logged once', async () => {
    const { domains } = await setUp(3);
    for (const domain of domains) domain.broken = true;
    for (let round = 0; round < 2; round++) {
      const { failed } = await reader.measure(domains, ALL, { deadline: performance.now() + AMPLE_MS });
      expect([...failed]).toEqual(['balloon', 'vcpu', 'interface', 'block']);
    }
    expect(log).toMatchObject([{ level: 40, kinds: ['balloon', 'vcpu', 'interface', 'block'] }]);
    for (const domain of domains) domain.broken = false;
    const { failed } = await reader.measure(domains, ALL, { deadline: performance.now() + AMPLE_MS });
    expect([...failed]).toEqual([]);
    expect(log).toHaveLength(2);
  });
});

test('a scrape without time sets nobody aside, and ends in time', async () => {
  const { domains, fake } = await setUp(40);
  fake.delayMs = 60;
  for (let round = 0; round < 5; round++) {
    const begun = performance.now();
    await completeNames(domains, 120);
    expect(performance.now() - begun).toBeLessThan(400);
  }
  expect(await completeNames(domains)).toEqual(namesBut(domains));
  expect(log).toEqual([]);
});

test('a hung QEMU is found though every scrape is too short to tell, and the others are complete then', async () => {
  const { domains, fake } = await setUp(20);
  const hung = domains[5];
  if (hung === undefined) throw new Error('no such domain');
  hung.hung = true;
  for (let round = 0; round < 20_000 && log.length === 0; round++) await completeNames(domains, 400);
  expect(log).toMatchObject([{ domain: 'vm-5', level: 40 }]);
  expect(await completeNames(domains, 400)).toEqual(namesBut(domains, 5));
  fake.revive(hung);
  expect(await untilComplete(domains)).toEqual(namesBut(domains));
});

describe('a QEMU that does not answer its monitor', () => {
  test('costs only its own statistics, and is asked again when it answers', async () => {
    const { domains, fake } = await setUp(20);
    const hung = domains[5];
    if (hung === undefined) throw new Error('no such domain');
    hung.hung = true;
    expect(await completeNames(domains)).toEqual(namesBut(domains, 5));
    expect(log).toMatchObject([{ domain: 'vm-5', level: 40 }]);

    const before = fake.bulkCalls.length;
    expect(await completeNames(domains)).toEqual(namesBut(domains, 5));
    const monitorCalls = fake.bulkCalls
      .slice(before)
      .map(({ names }) => names)
      .filter((names) => names.length > 1 || names[0] !== 'vm-5');
    expect(monitorCalls.flat()).toEqual(namesBut(domains, 5));

    fake.revive(hung);
    expect(await untilComplete(domains)).toEqual(namesBut(domains));
    expect(log).toMatchObject([{ domain: 'vm-5' }, { domain: 'vm-5', level: 30 }]);
  });

  test('ten of them, all in the first two batches: the others are complete in the same scrape', async () => {
    const { domains } = await setUp(40);
    for (const domain of domains.slice(3, 13)) domain.hung = true;
    const others = namesBut(domains, ...Array.from({ length: 10 }, (_, index) => index + 3));
    expect(await completeNames(domains)).toEqual(others);
    expect(await completeNames(domains)).toEqual(others);
    expect(daemon.sockets.size).toBeLessThanOrEqual(6);
  });

  test('more than the daemon has workers to spare: it is asked no more, and the scrape ends in time', async () => {
    const { domains, fake } = await setUp(30);
    for (const domain of domains) domain.hung = true;
    const begun = performance.now();
    expect(await completeNames(domains, 6_000)).toEqual([]);
    expect(performance.now() - begun).toBeLessThan(6_500);
    const hanging = fake.bulkCalls.length;
    expect(await completeNames(domains, 1_000)).toEqual([]);
    expect(hanging).toBeGreaterThan(0);
  });

  test('its interfaces are still told, as those need no monitor', async () => {
    const { domains } = await setUp(2);
    const [hung] = domains;
    if (hung !== undefined) hung.hung = true;
    await completeNames(domains);
    const { of } = await reader.measure(domains, ALL, { deadline: performance.now() + AMPLE_MS });
    expect(of({ uuid: fakeUuid(0), id: 1 })).toMatchObject({ complete: false });
    expect(of({ uuid: fakeUuid(0), id: 1 })?.stats).toBeDefined();
  });

  test('another run of the same domain is asked like any other', async () => {
    const { domains, fake } = await setUp(2);
    const [hung] = domains;
    if (hung === undefined) throw new Error('no such domain');
    hung.hung = true;
    await completeNames(domains);
    fake.revive(hung);
    const restarted = domains.map((domain) => ({ ...domain, id: domain.id + 10, hung: false }));
    expect(await completeNames(restarted)).toEqual(['vm-0', 'vm-1']);
  });
});
