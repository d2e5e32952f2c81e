import type { Collector } from '../metrics/collector.ts';
import { addSample, counter, gauge, newFamily } from '../metrics/metric-family.ts';
import { PRESSURE_RESOURCES } from '../snapshot/snapshot.ts';
import { pressureSeconds } from './pressure-seconds.ts';

const CPUS = gauge('libvirt_hypervisor_cpus', 'Number of CPUs of the host that are online.', []);
const MEMORY = gauge(
  'libvirt_hypervisor_memory_bytes',
  "Memory of the host that the host's kernel can use (MemTotal), in bytes.",
  [],
);
const WAITING = counter(
  'libvirt_hypervisor_pressure_waiting_seconds_total',
  'Time that at least one task of the host waited for the resource (PSI some), in seconds since the boot of the host.',
  ['resource'],
  {
    values: { resource: PRESSURE_RESOURCES },
    needs: 'Linux 4.20 with PSI on the host (RHEL: boot option `psi=1`)',
  },
);

export const hostCollector: Collector = {
  name: 'host',
  help: 'CPUs, memory and pressure of the host, to compare with what the domains have',
  enabledByDefault: true,
  measures: ['host'],
  families: [CPUS, MEMORY, WAITING],
  collect: ({ host }) => {
    const cpus = newFamily(CPUS);
    const memory = newFamily(MEMORY);
    const waiting = newFamily(WAITING);
    addSample(cpus, {}, host?.cpus);
    addSample(memory, {}, host?.memoryBytes);
    for (const resource of PRESSURE_RESOURCES)
      addSample(waiting, { resource }, pressureSeconds(host?.pressure.get(resource)?.some));
    return [cpus, memory, waiting];
  },
};
