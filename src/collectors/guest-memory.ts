import type { Collector } from '../metrics/collector.ts';
import { gauge, type MetricFamily } from '../metrics/metric-family.ts';

export const guestMemoryCollector: Collector = {
  name: 'guest-memory',
  help: 'swap and memory inside each guest',
  enabledByDefault: true,
  collect: ({ domains }) => {
    const swapTotal = gauge(
      'libvirt_domain_guest_swap_total_bytes',
      'Swap space of the guest, from the last probe.',
    );
    const swapUsed = gauge('libvirt_domain_guest_swap_used_bytes', 'Swap space in use, from the last probe.');
    const total = gauge(
      'libvirt_domain_guest_memory_total_bytes',
      'Memory as the guest sees it, from the last probe.',
    );
    const available = gauge(
      'libvirt_domain_guest_memory_available_bytes',
      'Memory the guest could use without swapping, from the last probe.',
    );
    for (const { name, guest } of domains) {
      const memory = guest?.reading?.memory;
      if (memory === undefined) continue;
      const add = ({ samples }: MetricFamily, value: number | undefined): void => {
        if (value !== undefined) samples.push({ labels: { domain: name }, value });
      };
      add(swapTotal, memory.swapTotalBytes);
      add(swapUsed, memory.swapUsedBytes);
      add(total, memory.totalBytes);
      add(available, memory.availableBytes);
    }
    return [swapTotal, swapUsed, total, available];
  },
};
