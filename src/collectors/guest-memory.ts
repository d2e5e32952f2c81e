import type { Collector } from '../metrics/collector.ts';
import { addSample, gauge, newFamily } from '../metrics/metric-family.ts';
import { AGENT_NEEDS } from './guest-needs.ts';

const LABELS = ['domain'];
const DETAILS = { needs: 'Linux guest whose agent allows file reads (`/proc/meminfo`)' };

const SWAP_TOTAL = gauge(
  'libvirt_domain_guest_swap_total_bytes',
  'Swap space of the guest, in bytes; cached from the last guest probe.',
  LABELS,
  DETAILS,
);
const SWAP_USED = gauge(
  'libvirt_domain_guest_swap_used_bytes',
  'Used swap space of the guest, in bytes; cached from the last guest probe.',
  LABELS,
  DETAILS,
);
const MEMORY_TOTAL = gauge(
  'libvirt_domain_guest_memory_total_bytes',
  'Memory as the guest sees it (MemTotal), in bytes; cached from the last guest probe.',
  LABELS,
  DETAILS,
);
const MEMORY_AVAILABLE = gauge(
  'libvirt_domain_guest_memory_available_bytes',
  'Memory that the guest can use without swapping (MemAvailable), in bytes; cached from the last guest probe.',
  LABELS,
  DETAILS,
);

export const guestMemoryCollector: Collector = {
  name: 'guest-memory',
  help: 'swap and memory inside each guest',
  enabledByDefault: true,
  needs: AGENT_NEEDS,
  families: [SWAP_TOTAL, SWAP_USED, MEMORY_TOTAL, MEMORY_AVAILABLE],
  collect: ({ domains }) => {
    const swapTotal = newFamily(SWAP_TOTAL);
    const swapUsed = newFamily(SWAP_USED);
    const total = newFamily(MEMORY_TOTAL);
    const available = newFamily(MEMORY_AVAILABLE);
    for (const { name: domain, guest } of domains) {
      const memory = guest?.sample?.memory;
      addSample(swapTotal, { domain }, memory?.swapTotalBytes);
      addSample(swapUsed, { domain }, memory?.swapUsedBytes);
      addSample(total, { domain }, memory?.totalBytes);
      addSample(available, { domain }, memory?.availableBytes);
    }
    return [swapTotal, swapUsed, total, available];
  },
};
