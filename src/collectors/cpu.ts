import type { Collector } from '../metrics/collector.ts';
import { addSample, counter, newFamily } from '../metrics/metric-family.ts';

const TOTAL = counter(
  'libvirt_domain_cpu_seconds_total',
  'CPU time of the domain on the host, in seconds: vCPUs, QEMU and the work of the kernel for them.',
  ['domain'],
);
const USER = counter(
  'libvirt_domain_cpu_user_seconds_total',
  'CPU time of the domain on the host in user mode, in seconds: guest code and QEMU.',
  ['domain'],
);
const SYSTEM = counter(
  'libvirt_domain_cpu_system_seconds_total',
  'CPU time of the domain on the host in kernel mode, in seconds: VM exits and I/O.',
  ['domain'],
);

export const cpuCollector: Collector = {
  name: 'cpu',
  help: "CPU time of each domain's process, vCPUs and the work done for them",
  enabledByDefault: true,
  measures: ['cpu'],
  families: [TOTAL, USER, SYSTEM],
  collect: ({ domains }) => {
    const total = newFamily(TOTAL);
    const user = newFamily(USER);
    const system = newFamily(SYSTEM);
    for (const { name: domain, measured } of domains) {
      const times = measured?.cpu;
      addSample(total, { domain }, times?.total);
      addSample(user, { domain }, times?.user);
      addSample(system, { domain }, times?.system);
    }
    return [total, user, system];
  },
};
