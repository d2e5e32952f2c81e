import { setFlagsFromString } from 'node:v8';

/**
 * Keeps the resident size down, where V8 would trade memory for throughput that an exporter has no use for:
 * the young generation stays at its first size instead of growing to 2 x 16 MB, and the old one is collected
 * when it has grown by 40 % instead of several times. With 200 domains, scraped 60 times in a row: 114 MB
 * without, 79 MB with both, at the same CPU time per scrape. V8 reads both flags at each decision to grow.
 */
export function limitHeapGrowth(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString('--heap-growing-percent=40');
}
