import type { Collector } from '../metrics/collector.ts';
import { addSample, gauge, type MetricFamily, newFamily } from '../metrics/metric-family.ts';
import type { DomainSnapshot } from '../snapshot/snapshot.ts';
import { fieldGauge, itemFamilies, nanosecondCounter } from './stats-fields.ts';

const CURRENT = gauge(
  'libvirt_domain_vcpus',
  'Number of vCPUs of the domain; for a shut-off domain, at its next start.',
  ['domain'],
);
const MAXIMUM = gauge('libvirt_domain_vcpus_maximum', 'Maximum number of vCPUs of the domain.', ['domain']);

const LABELS = ['domain', 'vcpu'];
const METRICS = [
  nanosecondCounter(
    'time',
    'libvirt_domain_vcpu_time_seconds_total',
    'CPU time of the vCPU on the host, in seconds.',
    LABELS,
  ),
  nanosecondCounter(
    'wait',
    'libvirt_domain_vcpu_wait_seconds_total',
    "Time that the vCPU's thread waited on the host (wait_sum of the scheduler), in seconds; 0 unless kernel.sched_schedstats=1 on the host; not the iowait of the guest.",
    LABELS,
    { needs: '`kernel.sched_schedstats=1` on the host' },
  ),
  nanosecondCounter(
    'delay',
    'libvirt_domain_vcpu_delay_seconds_total',
    'Time that the vCPU was ready to run and the host had no CPU for it, in seconds; the guest sees this time as steal.',
    LABELS,
  ),
  fieldGauge(
    'state',
    'libvirt_domain_vcpu_state',
    'State of the vCPU: 0 offline, 1 running, 2 blocked.',
    LABELS,
  ),
];

export const vcpuCollector: Collector = {
  name: 'vcpu',
  help: 'number, time, wait and delay of vCPUs',
  enabledByDefault: true,
  measures: ['vcpu'],
  families: [CURRENT, MAXIMUM, ...METRICS.map(({ spec }) => spec)],
  *collect({ domains }) {
    yield* counts(domains);
    yield* itemFamilies(METRICS, 'vcpu', domains, ({ vcpus, measured }) => vcpus ?? measured?.stats?.vcpus);
  },
};

function counts(domains: readonly DomainSnapshot[]): MetricFamily[] {
  const current = newFamily(CURRENT);
  const maximum = newFamily(MAXIMUM);
  for (const { name: domain, vcpus, measured, current: config } of domains) {
    const measuredCounts = measured?.stats?.vcpuCounts;
    addSample(current, { domain }, vcpus?.size ?? measuredCounts?.get('current') ?? config?.cpu.current);
    addSample(maximum, { domain }, measuredCounts?.get('maximum') ?? config?.cpu.maximum);
  }
  return [current, maximum];
}
