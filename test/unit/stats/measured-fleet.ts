import { pino } from 'pino';
import type { StatsKind } from '../../../src/stats/stats-reader.ts';
import { STATS, StatsReader } from '../../../src/stats/stats-reader.ts';
import { fakeUuid } from '../../support/fake-hypervisor.ts';
import { type FakeLibvirtd, startFakeLibvirtd, targetOf } from '../../support/fake-libvirtd.ts';
import { type FakeStats, fakeStats, type MeasuredFake } from '../../support/fake-stats.ts';

export const AMPLE_MS = 8_000;

/** A reader of statistics, and the fake daemon with the domains that it reads. */
export interface MeasuredFleet {
  readonly domains: readonly MeasuredFake[];
  readonly fake: FakeStats;
  readonly daemon: FakeLibvirtd;
  readonly reader: StatsReader;
  readonly log: readonly Record<string, unknown>[];
  /** Names of the domains that are complete in one reading. */
  readonly complete: (timeoutMs?: number, kinds?: readonly StatsKind[]) => Promise<string[]>;
  /** Reads on until this many are complete, a thousand times at most; the names of the last reading. */
  readonly completeOnce: (count: number) => Promise<string[]>;
  readonly namesBut: (...left: number[]) => string[];
  readonly at: (index: number) => MeasuredFake;
  readonly stop: () => Promise<void>;
}

export async function startMeasuredFleet(count: number): Promise<MeasuredFleet> {
  const domains = Array.from(
    { length: count },
    (_, index): MeasuredFake => ({ name: `vm-${index}`, uuid: fakeUuid(index), id: index + 1 }),
  );
  const fake = fakeStats(domains);
  const daemon = await startFakeLibvirtd(fake.handler);
  const log: Record<string, unknown>[] = [];
  const reader = new StatsReader({
    target: targetOf(daemon.path),
    timeoutMs: 1_000,
    onCallSent: () => undefined,
    log: pino({ base: null }, { write: (line: string) => log.push(JSON.parse(line)) }),
  });
  reader.start();
  const complete = async (timeoutMs = AMPLE_MS, kinds: readonly StatsKind[] = STATS): Promise<string[]> => {
    const measured = await reader.measure(domains, new Set(kinds), {
      deadline: performance.now() + timeoutMs,
    });
    return domains.filter((domain) => measured.of(domain)?.complete === true).map(({ name }) => name);
  };
  return {
    domains,
    fake,
    daemon,
    reader,
    log,
    complete,
    completeOnce: async (wanted) => {
      let names: string[] = [];
      for (let round = 0; round < 1_000 && names.length < wanted; round++) names = await complete();
      return names;
    },
    namesBut: (...left) => domains.filter((_, index) => !left.includes(index)).map(({ name }) => name),
    at: (index) => {
      const domain = domains[index];
      if (domain === undefined) throw new Error(`no domain ${index}`);
      return domain;
    },
    stop: async () => {
      await reader.stop();
      await daemon.stop();
    },
  };
}
