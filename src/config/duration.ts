const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;
const LONGEST_MS = 24 * UNIT_MS.h;

/** Parses "250ms", "5s", "2m" or "1h" into milliseconds; undefined for any other text, for zero, and above a day. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h)$/.exec(text);
  const [, amount, unit] = match ?? [];
  if (amount === undefined || unit === undefined) return undefined;
  const milliseconds = Math.round(Number(amount) * UNIT_MS[unit as keyof typeof UNIT_MS]);
  return milliseconds > 0 && milliseconds <= LONGEST_MS ? milliseconds : undefined;
}
