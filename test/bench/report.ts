import type { Claim, FleetResult } from './claims.ts';
import type { Measurement } from './measure.ts';
import type { RenderMeasurement } from './render-bench.ts';

export interface Slope {
  readonly name: string;
  /** What one more domain adds to a scrape, in milliseconds, between the two fleets. */
  readonly msPerDomain: number;
  /** 1 when twice the domains take twice the time. */
  readonly linearity: number;
}

export function slopes(
  fleets: ReadonlyMap<number, FleetResult>,
  [few, many]: readonly [number, number],
): Slope[] {
  return (fleets.get(many)?.measurements ?? []).flatMap(({ name, medianMs }) => {
    const before = fleets.get(few)?.measurements.find((other) => other.name === name)?.medianMs;
    if (before === undefined) return [];
    return [
      { name, msPerDomain: (medianMs - before) / (many - few), linearity: medianMs / many / (before / few) },
    ];
  });
}

export function reportSideBySide(
  domains: number,
  measurements: readonly Measurement[],
  claims: readonly Claim[],
): void {
  const [own] = measurements;
  const rows = measurements.map(({ name, medianMs, p95Ms, series, cpuPerRunMs, residentMb, callsPerRun }) => [
    name,
    `${medianMs.toFixed(0)} ms`,
    `${p95Ms.toFixed(0)} ms`,
    own === undefined ? '' : (own.medianMs / medianMs).toFixed(2),
    series === 0 ? '' : String(series),
    cpuPerRunMs === undefined ? '' : `${cpuPerRunMs.toFixed(0)} ms`,
    cpuPerRunMs === undefined || series === 0 ? '' : `${((1000 * cpuPerRunMs) / series).toFixed(1)} µs`,
    residentMb === undefined ? '' : `${residentMb.toFixed(0)} MB`,
    callsPerRun === undefined ? '' : callsPerRun.toFixed(0),
  ]);
  console.log(`\n${domains} running domains`);
  printTable(['', 'median', 'p95', 'ours / it', 'series', 'CPU', 'CPU / series', 'RSS', 'calls'], rows);
  printTable(
    ['', 'measured', 'at most'],
    claims.map(({ what, measured, target, unit }) => [
      what,
      inUnit(measured, unit),
      target === undefined ? '' : inUnit(target, unit),
    ]),
  );
}

function inUnit(value: number, unit: Claim['unit']): string {
  if (unit === 'ratio') return value.toFixed(2);
  return unit === 'ms' ? `${value.toFixed(0)} ms` : value.toFixed(0);
}

export function reportSingles(result: {
  readonly slope: readonly Slope[];
  readonly rendering: RenderMeasurement;
  readonly probing: {
    readonly guests: number;
    readonly cpuPercent: number;
    readonly commandsPerSecond: number;
  };
}): void {
  const { slope, rendering, probing } = result;
  console.log('\ngrowth from the smaller to the larger fleet');
  printTable(
    ['', 'ms per domain', 'time per domain, larger / smaller'],
    slope.map(({ name, msPerDomain, linearity }) => [name, msPerDomain.toFixed(2), linearity.toFixed(2)]),
  );
  console.log(
    `\nrendering ${rendering.domains} domains: ${rendering.megabytes.toFixed(1)} MB in ` +
      `${rendering.medianMs.toFixed(0)} ms, event loop blocked for ${rendering.longestBlockMs.toFixed(0)} ms at most`,
  );
  console.log(
    `probing ${probing.guests} guests: ${probing.cpuPercent.toFixed(1)} % of one core, ` +
      `${probing.commandsPerSecond.toFixed(0)} agent commands a second`,
  );
}

function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  for (const row of [head, ...rows]) {
    const cells = row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
    );
    console.log(cells.join('  ').trimEnd());
  }
}
