/** Prometheus' default, for requests without the header. */
const DEFAULT_TIMEOUT_MS = 10_000;
/** Reserved for rendering and sending the response. */
const OFFSET_MS = 500;
const LONGEST_MS = 120_000;

/** How long a scrape may take, from the `X-Prometheus-Scrape-Timeout-Seconds` header, less an offset. */
export function scrapeTimeoutMs(header: string | undefined): number {
  const seconds = header === undefined || header.trim() === '' ? Number.NaN : Number(header);
  const requested = Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : DEFAULT_TIMEOUT_MS;
  const bounded = Math.min(requested, LONGEST_MS);
  return Math.max(bounded - OFFSET_MS, bounded / 2);
}
