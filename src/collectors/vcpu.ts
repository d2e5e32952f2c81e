import type { Collector } from '../metrics/collector.ts';
import { gauge, type MetricFamily } from '../metrics/metric-family.ts';
import type { DomainSnapshot } from '../snapshot/snapshot.ts';
import { gaugeOf, itemFamilies, nanoseconds } from './stats-fields.ts';

const METRICS = [
  nanoseconds('time', 'libvirt_domain_vcpu_time_seconds_total', 'Time that the vCPU ran on the host.'),
  nanoseconds(
    'wait',
    'libvirt_domain_vcpu_wait_seconds_total',
    "Time that the host's thread of the vCPU waited (wait_sum), 0 unless kernel.sched_schedstats=1; no guest iowait.",
  ),
  nanoseconds(
    'delay',
    'libvirt_domain_vcpu_delay_seconds_total',
    'Time that the vCPU was ready to run and the host had no processor for it; steal to the guest.',
  ),
  gaugeOf('state', 'libvirt_domain_vcpu_state', 'State of the vCPU: 0 offline, 1 running, 2 blocked.'),
];

export const vcpuCollector: Collector = {
  name: 'vcpu',
  help: 'number, time, wait and delay of vCPUs',
  enabledByDefault: true,
  measures: ['vcpu'],
  *collect({ domains }) {
    yield* counts(domains);
    yield* itemFamilies(METRICS, 'vcpu', domains, ({ vcpus, measured }) => vcpus ?? measured?.stats?.vcpus);
  },
};

function counts(domains: readonly DomainSnapshot[]): MetricFamily[] {
  const current = gauge('libvirt_domain_vcpus', 'vCPUs the domain has, or will have at its next start.');
  const maximum = gauge('libvirt_domain_vcpus_maximum', 'The most vCPUs the domain can have.');
  for (const { name, vcpus, measured, current: config } of domains) {
    const told = measured?.stats?.vcpuCounts;
    push(current, name, vcpus?.size ?? told?.get('current') ?? config?.cpu.current);
    push(maximum, name, told?.get('maximum') ?? config?.cpu.maximum);
  }
  return [current, maximum];
}

function push(family: MetricFamily, domain: string, value: number | undefined): void {
  if (value !== undefined) family.samples.push({ labels: { domain }, value });
}
