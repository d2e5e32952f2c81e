import type { Collector } from '../metrics/collector.ts';
import { addSample, counter, newFamily } from '../metrics/metric-family.ts';
import { PRESSURE_RESOURCES } from '../snapshot/snapshot.ts';
import { pressureSeconds } from './pressure-seconds.ts';

const LABELS = ['domain', 'resource'];
const DETAILS = {
  values: { resource: PRESSURE_RESOURCES },
  needs:
    'PSI and a cgroup of version 2 for the domain (also beside version 1); `/proc` and `/sys/fs/cgroup` of the host. RHEL: ' +
    'boot option `psi=1`',
};

const WAITING = counter(
  'libvirt_domain_pressure_waiting_seconds_total',
  "Time that at least one thread of the domain's QEMU waited for the resource on the host (PSI some of the domain's cgroup), " +
    'in seconds.',
  LABELS,
  DETAILS,
);
const STALLED = counter(
  'libvirt_domain_pressure_stalled_seconds_total',
  "Time that all threads of the domain's QEMU which had something to do waited for the resource on the host (PSI full of the " +
    "domain's cgroup), in seconds.",
  LABELS,
  DETAILS,
);

export const pressureCollector: Collector = {
  name: 'pressure',
  help: "time that each domain's QEMU waited on the host for io, memory or cpu (Linux PSI)",
  enabledByDefault: true,
  measures: ['pressure'],
  families: [WAITING, STALLED],
  collect: ({ domains }) => {
    const waiting = newFamily(WAITING);
    const stalled = newFamily(STALLED);
    for (const { name, processSample } of domains) {
      for (const resource of PRESSURE_RESOURCES) {
        const totals = processSample?.pressure.get(resource);
        const labels = { domain: name, resource };
        addSample(waiting, labels, pressureSeconds(totals?.some));
        addSample(stalled, labels, pressureSeconds(totals?.full));
      }
    }
    return [waiting, stalled];
  },
};
