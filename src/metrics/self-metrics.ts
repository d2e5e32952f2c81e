import { Counter, collectDefaultMetrics, Registry } from 'prom-client';
import { counter, type FamilySpec, gauge, info, type MetricFamily } from './metric-family.ts';

/** Metrics of the exporter's own process, kept across scrapes. */
export interface SelfMetrics {
  readonly families: () => Promise<MetricFamily[]>;
  /** Counts one call sent to libvirt. */
  readonly countCall: (procedure: string) => void;
  /** Counts one connection to libvirt that was lost or failed to open. */
  readonly countDisconnect: () => void;
}

const CALLS = counter(
  'libvirt_exporter_rpc_calls_total',
  'Calls that the exporter sent to libvirt, by procedure.',
  ['procedure'],
);
const DISCONNECTS = counter(
  'libvirt_exporter_disconnects_total',
  'Connections of the exporter to libvirt that were lost or failed to open; retries after a failure are not counted.',
  [],
);

/**
 * What is served of the process. The first part selects from prom-client's default metrics: the others break naming
 * rules (`promtool check metrics`) or cost series that nobody needs.
 */
export const SELF_FAMILIES: readonly FamilySpec[] = [
  counter('process_cpu_user_seconds_total', 'CPU time of the exporter in user mode, in seconds.', []),
  counter('process_cpu_system_seconds_total', 'CPU time of the exporter in kernel mode, in seconds.', []),
  counter('process_cpu_seconds_total', 'CPU time of the exporter, in seconds.', []),
  gauge('process_start_time_seconds', 'Start time of the exporter, in seconds since the Unix epoch.', []),
  gauge('process_resident_memory_bytes', 'Resident memory of the exporter, in bytes.', []),
  gauge('process_virtual_memory_bytes', 'Virtual memory of the exporter, in bytes.', []),
  gauge('process_heap_bytes', 'Data segment of the exporter, in bytes.', []),
  gauge('process_open_fds', 'Number of open file descriptors of the exporter.', []),
  gauge('process_max_fds', 'Maximum number of open file descriptors of the exporter.', []),
  gauge('nodejs_eventloop_lag_seconds', "Lag of the exporter's event loop at this scrape, in seconds.", []),
  gauge(
    'nodejs_eventloop_lag_p99_seconds',
    "99th percentile of the lag of the exporter's event loop since the last scrape, in seconds.",
    [],
  ),
  gauge('nodejs_heap_size_total_bytes', "Size of the exporter's JavaScript heap, in bytes.", []),
  gauge('nodejs_heap_size_used_bytes', "Used part of the exporter's JavaScript heap, in bytes.", []),
  gauge(
    'nodejs_external_memory_bytes',
    "Memory of the exporter's JavaScript objects outside the heap, in bytes.",
    [],
  ),
  info('nodejs_version_info', 'Version of Node.js that the exporter runs on; always 1.', [
    'version',
    'major',
    'minor',
    'patch',
  ]),
  CALLS,
  DISCONNECTS,
];

export function createSelfMetrics(): SelfMetrics {
  const registry = new Registry();
  // A timer samples the event loop's lag; prom-client's default of 100 wake-ups a second would be most of the work of an
  // idle exporter.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 100 });
  const served = new Map(SELF_FAMILIES.map((spec) => [spec.name, spec]));
  for (const { name } of registry.getMetricsAsArray()) {
    if (!served.has(name)) registry.removeSingleMetric(name);
  }
  const calls = createCounter(CALLS, registry);
  const disconnects = createCounter(DISCONNECTS, registry);
  return {
    families: async () =>
      (await registry.getMetricsAsJSON()).flatMap((metric) => {
        const spec = served.get(metric.name);
        return spec === undefined ? [] : [{ spec, samples: samplesOf(metric) }];
      }),
    countCall: (procedure) => calls.inc({ procedure }),
    countDisconnect: () => disconnects.inc(),
  };
}

function createCounter({ name, help, labels }: FamilySpec, registry: Registry): Counter {
  return new Counter({ name, help, labelNames: [...labels], registers: [registry] });
}

type PromClientMetric = Awaited<ReturnType<Registry['getMetricsAsJSON']>>[number];

function samplesOf({ values }: PromClientMetric): MetricFamily['samples'] {
  return values.map(({ labels, value }) => ({
    labels: Object.fromEntries(Object.entries(labels).map(([name, label]) => [name, String(label)])),
    value,
  }));
}
