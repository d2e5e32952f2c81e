import { Exposition } from '../../testbed/exposition.ts';
import type { Contender } from './contenders.ts';
import { cpuSeconds, residentMb } from './process-usage.ts';

export interface Measurement {
  readonly name: string;
  readonly medianMs: number;
  readonly p95Ms: number;
  readonly series: number;
  readonly cpuPerRunMs: number | undefined;
  readonly residentMb: number | undefined;
  /** Calls to libvirt by the exporter's own count; undefined where it does not tell. */
  readonly callsPerRun: number | undefined;
}

const WARM_UP = 3;

/**
 * Runs each contender in turn, `rounds` times: what else happens on the machine meanwhile happens to all of them.
 */
export async function measureSideBySide(
  contenders: readonly Contender[],
  rounds: number,
): Promise<Measurement[]> {
  const tallies = contenders.map((contender) => ({
    contender,
    durations: [] as number[],
    cpu: 0,
    series: 0,
    calls: [] as number[],
  }));
  for (let round = -WARM_UP; round < rounds; round++) {
    for (const tally of tallies) {
      const { contender } = tally;
      const cpuBefore = await cpuOf(contender);
      const begun = performance.now();
      const text = await contender.run();
      const tookMs = performance.now() - begun;
      const exposition = new Exposition(text);
      tally.series = exposition.samples.length;
      if (round < 0) continue;
      const counts = exposition.all('libvirt_exporter_rpc_calls_total');
      if (counts.length > 0) tally.calls.push(counts.reduce((sum, { value }) => sum + value, 0));
      tally.durations.push(tookMs);
      tally.cpu += (await cpuOf(contender)) - cpuBefore;
    }
  }
  return Promise.all(
    tallies.map(async ({ contender, durations, cpu, series, calls }) => ({
      name: contender.name,
      medianMs: quantile(durations, 0.5),
      p95Ms: quantile(durations, 0.95),
      series,
      cpuPerRunMs: contender.pid === undefined ? undefined : (cpu * 1000) / rounds,
      residentMb: contender.pid === undefined ? undefined : await residentMb(contender.pid),
      callsPerRun: perRun(calls),
    })),
  );
}

/** How much a counter grew from one run to the next. */
function perRun(counts: readonly number[]): number | undefined {
  const [first, last] = [counts[0], counts[counts.length - 1]];
  return first === undefined || last === undefined ? undefined : (last - first) / (counts.length - 1);
}

async function cpuOf({ pid }: Contender): Promise<number> {
  return pid === undefined ? 0 : cpuSeconds(pid);
}

export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}
