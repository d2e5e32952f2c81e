import { pino } from 'pino';
import { COLLECTORS } from '../../src/collectors/all.ts';
import { buildInfo } from '../../src/collectors/build-info.ts';
import { writeFamily } from '../../src/scrape/exposition.ts';
import { Scraper } from '../../src/scrape/scraper.ts';
import { createSelfMetrics } from '../../src/scrape/self-metrics.ts';
import { TextBuffer } from '../../src/scrape/text-buffer.ts';
import { FIXED_INVENTORY } from '../unit/collectors/fixed-inventory.ts';
import { Exposition } from './exposition.ts';

const each = (names: readonly string[], labels: readonly string[]): [string, readonly string[]][] =>
  names.map((name) => [`libvirt_domain_block_${name}`, ['domain', ...labels]]);

/**
 * TO BE EMPTIED: metrics that rules and dashboards may use although no collector of this tree serves them yet, with
 * their labels. When the collector is there, the fixed inventory tells them.
 */
export const NOT_SERVED_YET: readonly (readonly [string, readonly string[]])[] = [
  ...each(
    ['read', 'write'].flatMap((way) =>
      ['bytes', 'requests', 'time_seconds'].map((unit) => `${way}_${unit}_total`),
    ),
    ['device'],
  ),
  ...each(['flush_requests_total', 'flush_time_seconds_total'], ['device']),
  ...each(
    ['total', 'read', 'write'].flatMap((way) =>
      ['bytes', 'requests'].map((unit) => `limit_${way}_${unit}_per_second`),
    ),
    ['device'],
  ),
];

/** Labels that Prometheus itself puts on every series it scrapes. */
export const TARGET_LABELS: readonly string[] = ['job', 'instance'];

/** Every metric there is to query, with its labels: the exporter's, as code declares and serves them, and `up`. */
export async function servedMetrics(): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const metrics = new Map<string, Set<string>>([['up', new Set(TARGET_LABELS)]]);
  const add = (name: string, labels: readonly string[]): void => {
    const known = metrics.get(name) ?? new Set(TARGET_LABELS);
    for (const label of labels) known.add(label);
    metrics.set(name, known);
  };
  for (const collector of COLLECTORS) {
    for (const { name } of collector.collect(FIXED_INVENTORY)) add(name, []);
  }
  for (const { name, labels } of new Exposition(await oneScrape()).samples) add(name, Object.keys(labels));
  for (const [name, labels] of NOT_SERVED_YET) add(name, labels);
  return metrics;
}

async function oneScrape(): Promise<string> {
  const out = new TextBuffer([]);
  const gather = () => Promise.resolve(FIXED_INVENTORY);
  await new Scraper({ collectors: COLLECTORS, gather, log: pino({ enabled: false }) }).scrape(out, {
    timeoutMs: 10_000,
    selects: () => true,
    signal: new AbortController().signal,
  });
  writeFamily(out, buildInfo({ version: '1.2.3', revision: '' }));
  const self = createSelfMetrics();
  self.countCall('CONNECT_GET_ALL_DOMAIN_STATS');
  self.countDisconnect();
  out.write(await self.registry.metrics());
  return Buffer.concat(out.finish()).toString();
}
