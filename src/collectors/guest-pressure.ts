import { PRESSURE_RESOURCES } from '../guest/guest-sample.ts';
import type { Collector } from '../metrics/collector.ts';
import { addSample, counter, newFamily } from '../metrics/metric-family.ts';
import { AGENT_NEEDS } from './guest-needs.ts';

const LABELS = ['domain', 'resource'];
const DETAILS = {
  values: { resource: PRESSURE_RESOURCES },
  needs:
    'Linux 4.20 with PSI in the guest (RHEL: boot option `psi=1`), agent that allows file reads (`/proc/pressure/*`)',
};

const WAITING = counter(
  'libvirt_domain_guest_pressure_waiting_seconds_total',
  "Time that at least one task of the guest waited for the resource (PSI some), in seconds since the guest's boot; " +
    'cached from the last guest probe.',
  LABELS,
  DETAILS,
);
const STALLED = counter(
  'libvirt_domain_guest_pressure_stalled_seconds_total',
  "Time that all tasks of the guest waited for the resource (PSI full), in seconds since the guest's boot; cached from " +
    'the last guest probe.',
  LABELS,
  DETAILS,
);

export const guestPressureCollector: Collector = {
  name: 'guest-pressure',
  help: 'time that tasks inside each guest waited for io, memory or cpu (Linux PSI)',
  enabledByDefault: true,
  needs: AGENT_NEEDS,
  families: [WAITING, STALLED],
  collect: ({ domains }) => {
    const waiting = newFamily(WAITING);
    const stalled = newFamily(STALLED);
    for (const { name, guest } of domains) {
      for (const resource of PRESSURE_RESOURCES) {
        const totals = guest?.sample?.pressure?.[resource];
        if (totals === undefined) continue;
        const labels = { domain: name, resource };
        addSample(waiting, labels, totals.waitingSeconds);
        addSample(stalled, labels, totals.stalledSeconds);
      }
    }
    return [waiting, stalled];
  },
};
