/** End of life by operating system, from one copy of osinfo-db. */
export interface OsinfoTable {
  /** Release day of the copy, `YYYYMMDD`; `''` when unknown. Sorts as text. */
  readonly version: string;
  /** Last supported day, `YYYY-MM-DD`, by libosinfo id; `null` for a known id without a date. */
  readonly eolById: ReadonlyMap<string, string | null>;
}

const DAY = /^\d{4}-\d{2}-\d{2}$/;

/** The start of the day in UTC as seconds since the epoch; `undefined` for text that is not `YYYY-MM-DD`. */
export function dayToEpochSeconds(day: string): number | undefined {
  const milliseconds = DAY.test(day) ? Date.parse(`${day}T00:00:00Z`) : Number.NaN;
  return Number.isNaN(milliseconds) ? undefined : milliseconds / 1000;
}
