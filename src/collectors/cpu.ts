import type { Collector } from '../metrics/collector.ts';
import { counter } from '../metrics/metric-family.ts';

export const cpuCollector: Collector = {
  name: 'cpu',
  help: "processor time of each domain's process, vCPUs and the work done for them",
  enabledByDefault: true,
  measures: ['cpu'],
  collect: ({ domains }) => {
    const total = counter('libvirt_domain_cpu_seconds_total', 'Processor time the domain used on the host.');
    const user = counter(
      'libvirt_domain_cpu_user_seconds_total',
      'Of it, in user mode: guest code and QEMU.',
    );
    const system = counter(
      'libvirt_domain_cpu_system_seconds_total',
      'Of it, in the kernel on its behalf: exits and I/O.',
    );
    for (const { name: domain, measured } of domains) {
      const times = measured?.cpu;
      if (times === undefined) continue;
      total.samples.push({ labels: { domain }, value: times.total });
      if (times.user !== undefined) user.samples.push({ labels: { domain }, value: times.user });
      if (times.system !== undefined) system.samples.push({ labels: { domain }, value: times.system });
    }
    return [total, user, system];
  },
};
