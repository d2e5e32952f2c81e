/** Prometheus waits this long when a scrape does not say how long (its own default). */
const DEFAULT_TIMEOUT_MS = 10_000;
/** Kept back for rendering and the way home. */
const OFFSET_MS = 500;
const LONGEST_MS = 120_000;

/** How long a scrape may take, from the `X-Prometheus-Scrape-Timeout-Seconds` header, less an offset. */
export function scrapeTimeoutMs(header: string | undefined): number {
  const seconds = header === undefined || header.trim() === '' ? Number.NaN : Number(header);
  const asked = Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : DEFAULT_TIMEOUT_MS;
  const bounded = Math.min(asked, LONGEST_MS);
  return Math.max(bounded - OFFSET_MS, bounded / 2);
}
