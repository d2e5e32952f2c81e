import type { Collector } from '../metrics/collector.ts';
import { addSample, gauge, newFamily } from '../metrics/metric-family.ts';

const NEEDS = { needs: '`/proc` without `hidepid`; in a container, the PID namespace of the host' };

const RESIDENT = gauge(
  'libvirt_domain_process_resident_bytes',
  "Memory of the domain's QEMU process that is in the host's RAM (VmRSS), in bytes; huge pages from hugetlbfs are not included.",
  ['domain'],
  NEEDS,
);
const SWAP = gauge(
  'libvirt_domain_process_swap_bytes',
  "Memory of the domain's QEMU process that the host has swapped out (VmSwap), in bytes; shared memory is not included.",
  ['domain'],
  NEEDS,
);
const BLOCKED = gauge(
  'libvirt_domain_process_blocked_seconds',
  "Time for which a thread of the domain's QEMU process has waited for a device (state D) without running, in seconds, as " +
    'far as the exporter has seen it; the longest of all threads, 0 when none waits.',
  ['domain'],
  NEEDS,
);

export const processCollector: Collector = {
  name: 'process',
  help: "memory of each domain's QEMU process in the host's RAM and swap, and threads that hang",
  enabledByDefault: true,
  measures: ['process'],
  families: [RESIDENT, SWAP, BLOCKED],
  collect: ({ domains }) => {
    const resident = newFamily(RESIDENT);
    const swap = newFamily(SWAP);
    const blocked = newFamily(BLOCKED);
    for (const { name, processSample, blockedSeconds } of domains) {
      const labels = { domain: name };
      addSample(resident, labels, processSample?.residentBytes);
      addSample(swap, labels, processSample?.swapBytes);
      addSample(blocked, labels, blockedSeconds);
    }
    return [resident, swap, blocked];
  },
};
