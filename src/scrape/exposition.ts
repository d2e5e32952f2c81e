import { type Metric, Registry } from 'prom-client';
import type { MetricFamily } from './metric-family.ts';

/**
 * Renders families in the Prometheus text format. prom-client's metric classes hash the labels of every
 * `set()`, which is lost work for values that live for one scrape; its registry only needs `get()`.
 */
export async function renderExposition(families: readonly MetricFamily[]): Promise<string> {
  const registry = new Registry();
  for (const { name, help, type, samples } of families) {
    if (samples.length === 0) continue;
    const metric = { name, help, type, get: () => ({ name, help, type, values: samples }) };
    registry.registerMetric(metric as unknown as Metric);
  }
  return registry.metrics();
}
