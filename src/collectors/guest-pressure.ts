import { PRESSURE_RESOURCES } from '../guest/guest-sample.ts';
import type { Collector } from '../metrics/collector.ts';
import { counter } from '../metrics/metric-family.ts';

export const guestPressureCollector: Collector = {
  name: 'guest-pressure',
  help: 'time that tasks inside each guest waited for io, memory or cpu (Linux PSI)',
  enabledByDefault: true,
  collect: ({ domains }) => {
    const waiting = counter(
      'libvirt_domain_guest_pressure_waiting_seconds_total',
      'Time in which at least one task of the guest waited for the resource, from the last probe.',
    );
    const stalled = counter(
      'libvirt_domain_guest_pressure_stalled_seconds_total',
      'Time in which all tasks of the guest waited for the resource, from the last probe.',
    );
    for (const { name, guest } of domains) {
      for (const resource of PRESSURE_RESOURCES) {
        const totals = guest?.reading?.pressure?.[resource];
        if (totals === undefined) continue;
        const labels = { domain: name, resource };
        waiting.samples.push({ labels, value: totals.waitingSeconds });
        if (totals.stalledSeconds !== undefined)
          stalled.samples.push({ labels, value: totals.stalledSeconds });
      }
    }
    return [waiting, stalled];
  },
};
