/** End of life by operating system, from one copy of osinfo-db. */
export interface OsinfoTable {
  /** The copy's release day, `YYYYMMDD`; `''` when it does not say. Sorts as text. */
  readonly version: string;
  /** Last supported day, `YYYY-MM-DD`, by libosinfo id; `null` for a known id without a date. */
  readonly eolById: ReadonlyMap<string, string | null>;
}

const DAY = /^\d{4}-\d{2}-\d{2}$/;

/** The day as seconds since the epoch at its first moment in UTC; `undefined` for what is no `YYYY-MM-DD`. */
export function dayToEpochSeconds(day: string): number | undefined {
  const milliseconds = DAY.test(day) ? Date.parse(`${day}T00:00:00Z`) : Number.NaN;
  return Number.isNaN(milliseconds) ? undefined : milliseconds / 1000;
}
