import { Counter, collectDefaultMetrics, Registry } from 'prom-client';
import type { MetricFamily } from './metric-family.ts';

/** What the exporter says of itself, across scrapes. */
export interface SelfMetrics {
  readonly families: () => Promise<MetricFamily[]>;
  /** Counts one call handed to libvirt. */
  readonly countCall: (procedure: string) => void;
  /** Counts one connection to libvirt that was lost or could not be had. */
  readonly countDisconnect: () => void;
}

/** Default metrics that break naming rules (`promtool check metrics`) or cost more than they tell. */
const LEFT_OUT = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
  'nodejs_active_handles',
  'nodejs_active_requests',
  'nodejs_active_resources',
  'nodejs_gc_duration_seconds',
  'nodejs_eventloop_lag_min_seconds',
  'nodejs_eventloop_lag_max_seconds',
  'nodejs_eventloop_lag_mean_seconds',
  'nodejs_eventloop_lag_stddev_seconds',
  'nodejs_eventloop_lag_p50_seconds',
  'nodejs_eventloop_lag_p90_seconds',
  'nodejs_heap_space_size_total_bytes',
  'nodejs_heap_space_size_used_bytes',
  'nodejs_heap_space_size_available_bytes',
];

export function createSelfMetrics(): SelfMetrics {
  const registry = new Registry();
  // The event loop's lag is sampled by a timer; its default of 100 wake-ups a second would be most of what an
  // idle exporter does.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 100 });
  for (const name of LEFT_OUT) registry.removeSingleMetric(name);
  const calls = new Counter({
    name: 'libvirt_exporter_rpc_calls_total',
    help: 'Calls sent to libvirt, by procedure.',
    labelNames: ['procedure'],
    registers: [registry],
  });
  const disconnects = new Counter({
    name: 'libvirt_exporter_disconnects_total',
    help: 'Connections to libvirt that were lost or could not be had; retries of the same are not counted.',
    registers: [registry],
  });
  return {
    families: async () => (await registry.getMetricsAsJSON()).flatMap(familyOf),
    countCall: (procedure) => calls.inc({ procedure }),
    countDisconnect: () => disconnects.inc(),
  };
}

type PromClientMetric = Awaited<ReturnType<Registry['getMetricsAsJSON']>>[number];

function familyOf(metric: PromClientMetric): MetricFamily[] {
  const type = String(metric.type);
  if (type !== 'gauge' && type !== 'counter') return [];
  const samples = metric.values.map(({ labels, value }) => ({
    labels: Object.fromEntries(Object.entries(labels).map(([name, label]) => [name, String(label)])),
    value,
  }));
  return [{ name: metric.name, help: metric.help, type, samples }];
}
