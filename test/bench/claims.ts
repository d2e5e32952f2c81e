import type { BusyMeasurement } from './busy-bench.ts';
import { NAMES } from './contenders.ts';
import type { Measurement } from './measure.ts';
import type { StoppedMeasurement } from './stopped-bench.ts';

/** What one fleet has shown. */
export interface FleetResult {
  readonly measurements: readonly Measurement[];
  readonly stopped: readonly StoppedMeasurement[];
  /** On a busy host; measured with one fleet only. */
  readonly busy?: BusyMeasurement;
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
export function claimsOf(domains: number, { measurements, stopped, busy }: FleetResult): Claim[] {
  const of = (name: string): Measurement | undefined => measurements.find((other) => other.name === name);
  const median = (name: string): number => of(name)?.medianMs ?? Number.NaN;
  const own = median(NAMES.own);
  return [
    // CPU_TOTAL belongs to it: that group returns the processor time that is served.
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
    ...stopped.flatMap((each) => stoppedClaims(domains, each)),
    ...(busy === undefined
      ? []
      : [
          {
            what: `share of readings that are not whole at load ${busy.load.toFixed(0)}`,
            measured: 1 - busy.complete,
            target: 0.01,
            unit: 'ratio' as const,
          },
        ]),
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

/** What a scrape that meets stopped QEMUs may take longer than the others. */
const LONGER_MS = 600;

function stoppedClaims(domains: number, measured: StoppedMeasurement): Claim[] {
  const { stopped, complete, healthyMs, firstMs, laterMs } = measured;
  return [
    {
      what: `the scrape that meets ${stopped} stopped QEMUs`,
      measured: firstMs,
      target: healthyMs + LONGER_MS,
      unit: 'ms',
    },
    {
      what: `later scrapes with ${stopped} stopped / with none`,
      measured: laterMs / healthyMs,
      target: 1,
      unit: 'ratio',
    },
    {
      what: `domains not whole in the worst of these scrapes`,
      measured: domains - complete,
      target: stopped,
      unit: 'count',
    },
  ];
}
