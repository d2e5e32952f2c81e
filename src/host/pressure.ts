/** Resources that Linux counts the pressure of (PSI), by the names of their files. */
export const PRESSURE_RESOURCES = ['io', 'memory', 'cpu'] as const;
export type PressureResource = (typeof PRESSURE_RESOURCES)[number];

/** Microseconds in which tasks of a host or a cgroup waited for a resource; undefined where the kernel has none. */
export interface PressureTotals {
  /** At least one task waited. */
  readonly some: number | undefined;
  /** All tasks waited. */
  readonly full: number | undefined;
}

/**
 * Parses `/proc/pressure/RESOURCE` or a cgroup's `RESOURCE.pressure`:
 * `some avg10=0.00 avg60=0.00 avg300=0.00 total=482` (Linux: Documentation/accounting/psi.rst).
 */
export function parsePressure(text: string): PressureTotals {
  return { some: total(text, 'some '), full: total(text, 'full ') };
}

const TOTAL = ' total=';

function total(text: string, kind: string): number | undefined {
  const line = text.startsWith(kind) ? 0 : text.indexOf(`\n${kind}`) + 1;
  if (line === 0 && !text.startsWith(kind)) return undefined;
  const end = text.indexOf('\n', line);
  const at = text.indexOf(TOTAL, line);
  if (at < 0 || (end >= 0 && at > end)) return undefined;
  const digits = text.slice(at + TOTAL.length, end < 0 ? undefined : end);
  const value = Number(digits);
  return /^\d+$/.test(digits) && Number.isSafeInteger(value) ? value : undefined;
}
