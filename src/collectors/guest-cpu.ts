import { CPU_MODES } from '../guest/guest-sample.ts';
import type { Collector } from '../metrics/collector.ts';
import { counter } from '../metrics/metric-family.ts';

export const guestCpuCollector: Collector = {
  name: 'guest-cpu',
  help: 'CPU time inside each guest by mode, iowait among them',
  enabledByDefault: true,
  collect: ({ domains }) => {
    const seconds = counter(
      'libvirt_domain_guest_cpu_seconds_total',
      'CPU time as the guest counts it, summed over its CPUs, from the last probe.',
    );
    for (const { name, guest } of domains) {
      const cpu = guest?.reading?.cpu;
      if (cpu === undefined) continue;
      for (const mode of CPU_MODES) {
        const value = cpu[mode];
        if (value !== undefined) seconds.samples.push({ labels: { domain: name, mode }, value });
      }
    }
    return [seconds];
  },
};
