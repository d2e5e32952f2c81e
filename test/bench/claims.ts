import { NAMES } from './contenders.ts';
import type { Measurement } from './measure.ts';
import type { StuckMeasurement } from './stuck-bench.ts';

/** What one fleet has shown. */
export interface FleetResult {
  readonly measurements: readonly Measurement[];
  readonly stuck: StuckMeasurement;
}

export interface Claim {
  readonly what: string;
  readonly measured: number;
  /** What it may be at most; undefined for what only informs. */
  readonly target: number | undefined;
  readonly unit: 'ratio' | 'ms' | 'count';
}

/** The targets stand for fleets of this many domains. */
const CHEAP_AT = 200;

/** The fleet's results against their targets. */
export function claimsOf(domains: number, { measurements, stuck }: FleetResult): Claim[] {
  const of = (name: string): Measurement | undefined => measurements.find((other) => other.name === name);
  const median = (name: string): number => of(name)?.medianMs ?? Number.NaN;
  const own = median(NAMES.own);
  return [
    // CPU_TOTAL belongs to it: the processor time that is served is what that group tells.
    {
      what: 'scrape / one bulk call that gives the same families (the claim)',
      measured: own / median(NAMES.bulk),
      target: 0.6,
      unit: 'ratio',
    },
    {
      what: 'scrape / one bulk call without the group cpu, which gives less',
      measured: own / median(NAMES.bulkWithoutCpu),
      target: undefined,
      unit: 'ratio',
    },
    {
      what: "scrape / Debian's exporter",
      measured: own / median(NAMES.debian),
      target: 1.3,
      unit: 'ratio',
    },
    {
      what: `scrape with ${stuck.stuck} stuck / with none`,
      measured: stuck.stuckMs / stuck.healthyMs,
      target: 1.5,
      unit: 'ratio',
    },
    { what: 'domains complete meanwhile', measured: stuck.complete, target: undefined, unit: 'count' },
    { what: 'scrape that finds them', measured: stuck.firstMs, target: undefined, unit: 'ms' },
    {
      what: 'scrape of the families that cost libvirt nothing',
      measured: median(NAMES.cheap),
      target: domains === CHEAP_AT ? 50 : undefined,
      unit: 'ms',
    },
    {
      what: 'calls to libvirt per scrape',
      measured: of(NAMES.own)?.callsPerRun ?? Number.NaN,
      target: undefined,
      unit: 'count',
    },
  ];
}
