import { pino } from 'pino';
import { type Clock, SYSTEM_CLOCK } from '../../../src/daemon/clock.ts';
import type { UnresponsiveDomains } from '../../../src/daemon/unresponsive-domains.ts';
import type { WorkerBudget } from '../../../src/daemon/worker-budget.ts';
import type { HostView, Measured, StatsKind } from '../../../src/stats/stats-reader.ts';
import { STATS, StatsReader } from '../../../src/stats/stats-reader.ts';
import { advanceUntil, type FakeClock } from '../../support/fake-clock.ts';
import { fakeUuid } from '../../support/fake-hypervisor.ts';
import { type FakeLibvirtd, startFakeLibvirtd } from '../../support/fake-libvirtd.ts';
import { type FakeStats, fakeStats, type MeasuredFake } from '../../support/fake-stats.ts';
import { poolOf } from '../../support/pool-of.ts';

export const AMPLE_MS = 8_000;

/** A running process without anything that libvirt need not be called for. */
export const PLAIN_HOST: HostView = {
  processState: 'S',
  cpu: undefined,
  hasCpuTimes: false,
  hasVcpus: false,
};

interface MeasureTerms {
  readonly timeoutMs?: number;
  readonly kinds?: readonly StatsKind[];
  /** All domains of the fleet, unless given. */
  readonly running?: readonly MeasuredFake[];
  /** Names of the domains that an error of a disk has stopped; none, unless given. */
  readonly stopped?: readonly string[];
  /** What the host shows of a domain; nothing, unless given. */
  readonly host?: (name: string) => HostView;
}

/** A reader of statistics, and the fake daemon with the domains that it reads. */
export interface MeasuredFleet {
  readonly domains: readonly MeasuredFake[];
  readonly fake: FakeStats;
  readonly daemon: FakeLibvirtd;
  readonly reader: StatsReader;
  readonly unresponsive: UnresponsiveDomains;
  readonly budget: WorkerBudget;
  readonly clock: Clock;
  readonly log: readonly Record<string, unknown>[];
  /** Measures once, as one scrape does. */
  readonly measure: (terms?: MeasureTerms) => Promise<Measured>;
  /** Measures once; returns the names of the domains that are complete. */
  readonly complete: (timeoutMs?: number, kinds?: readonly StatsKind[]) => Promise<string[]>;
  /** Measures until this many are complete, a thousand times at most; returns the names of the last time. */
  readonly completeOnce: (count: number) => Promise<string[]>;
  readonly namesOf: (measured: Measured) => string[];
  readonly namesBut: (...left: number[]) => string[];
  readonly at: (index: number) => MeasuredFake;
  readonly stop: () => Promise<void>;
}

/** With a fake clock, time moves on while a measurement is waited for, and stands still otherwise. */
export async function startMeasuredFleet(count: number, fakeClock?: FakeClock): Promise<MeasuredFleet> {
  const clock = fakeClock ?? SYSTEM_CLOCK;
  const domains = Array.from(
    { length: count },
    (_, index): MeasuredFake => ({ name: `vm-${index}`, uuid: fakeUuid(index), id: index + 1 }),
  );
  const fake = fakeStats(domains, clock);
  const daemon = await startFakeLibvirtd(fake.handler);
  const log: Record<string, unknown>[] = [];
  const logger = pino({ base: null }, { write: (line: string) => log.push(JSON.parse(line)) });
  const { pool, statistics, unresponsive, budget } = poolOf(daemon, logger, clock);
  const reader = new StatsReader({ client: statistics, unresponsive, log: logger });
  const measure = ({
    timeoutMs = AMPLE_MS,
    kinds = STATS,
    running = domains,
    stopped = [],
    host,
  }: MeasureTerms = {}) => {
    const nameOf = new Map(domains.map(({ uuid, name }) => [uuid, name]));
    // Copies: what a test changes later must not change what an earlier call was about.
    const listed = running.map((domain) => ({ ...domain }));
    const measured = reader.measure(listed, new Set(kinds), {
      deadline: clock.now() + timeoutMs,
      isStoppedByDisk: ({ uuid }) => stopped.includes(nameOf.get(uuid) ?? ''),
      ...(host === undefined ? {} : { host: ({ uuid }) => host(nameOf.get(uuid) ?? '') }),
    });
    if (fakeClock === undefined) return measured;
    return advanceUntil(measured, fakeClock, () => daemon.received.length);
  };
  const namesOf = (measured: Measured): string[] =>
    domains.filter((domain) => measured.of(domain)?.complete === true).map(({ name }) => name);
  const complete = async (timeoutMs = AMPLE_MS, kinds: readonly StatsKind[] = STATS): Promise<string[]> =>
    namesOf(await measure({ timeoutMs, kinds }));
  return {
    domains,
    fake,
    daemon,
    reader,
    unresponsive,
    budget,
    clock,
    log,
    measure,
    complete,
    completeOnce: async (wanted) => {
      let names: string[] = [];
      for (let round = 0; round < 1_000 && names.length < wanted; round++) names = await complete();
      return names;
    },
    namesOf,
    namesBut: (...left) => domains.filter((_, index) => !left.includes(index)).map(({ name }) => name),
    at: (index) => {
      const domain = domains[index];
      if (domain === undefined) throw new Error(`no domain ${index}`);
      return domain;
    },
    stop: async () => {
      await pool.stop();
      await daemon.stop();
    },
  };
}
