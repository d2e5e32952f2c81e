import type { DashboardQuery } from '../support/dashboard-queries.ts';

/** Why a query has nothing to show for the two guests of the end-to-end test, by the beginning of its name. */
const REASONS: readonly (readonly [beginning: string, reason: string])[] = [
  ...['B', 'C', 'D', 'E', 'F'].map(
    (refId) =>
      [
        `domain: Use of the I/O limits ${refId}`,
        'only the bytes of reads and writes together are limited',
      ] as const,
  ),
  ['domain: Why data is missing', 'the guest tells everything'],
  ['exporter: Guest data that is missing', 'the guests tell everything'],
  ['domain: What it ran on E', 'no change waits'],
  ['domain: Waits for a stop and start', 'no change waits'],
  ['fleet: Waits for a stop and start', 'no change waits'],
  ['fleet: Still on an old QEMU', 'both were started with the installed one'],
  ['domain: Lifecycle events', 'nothing happened to it since the exporter started'],
  ['hypervisor: Lifecycle events', 'nothing happened to them since the exporter started'],
  ['domain: Jobs', 'no job runs'],
];

/** Why a query may have nothing to show. */
const SOMETIMES: readonly (readonly [beginning: string, reason: string])[] = [
  ['exporter: Probe errors', 'a guest that swaps itself slow may answer too late, or in time'],
];

export function mayHaveNothing(query: DashboardQuery): boolean {
  return SOMETIMES.some(([beginning]) => nameOf(query).startsWith(beginning));
}

export function nameOf({ dashboard, panel, kind }: DashboardQuery): string {
  return kind === 'annotation' ? `${dashboard}: annotation ${panel}` : `${dashboard}: ${panel}`;
}

export function reasonForNothing(query: DashboardQuery): string | undefined {
  if (query.kind === 'annotation') return 'marks a change, and nothing changes here';
  const name = nameOf(query);
  return REASONS.find(([beginning]) => name.startsWith(beginning))?.[1];
}
