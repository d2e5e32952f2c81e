import { COLLECTORS } from '../../src/collectors/all.ts';
import { Exposition } from '../../testbed/exposition.ts';
import { FIXED_INVENTORY } from '../unit/collectors/fixed-inventory.ts';
import { oneScrape } from './one-scrape.ts';

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
    for (const { spec } of collector.collect(FIXED_INVENTORY)) add(spec.name, []);
  }
  const served = await oneScrape(async () => FIXED_INVENTORY);
  for (const { name, labels } of new Exposition(served).samples) add(name, Object.keys(labels));
  return metrics;
}
