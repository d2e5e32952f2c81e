import { LIFECYCLE_EVENTS } from '../inventory/lifecycle-events.ts';
import type { Collector } from '../metrics/collector.ts';
import { counter } from '../metrics/metric-family.ts';

export const eventsCollector: Collector = {
  name: 'events',
  help: 'lifecycle events of each domain, counted',
  enabledByDefault: true,
  collect: ({ domains }) => {
    const events = counter(
      'libvirt_domain_events_total',
      'Lifecycle events seen since the exporter started; what happens while libvirt is away is not seen.',
    );
    for (const domain of domains) {
      for (const event of LIFECYCLE_EVENTS) {
        events.samples.push({ labels: { domain: domain.name, event }, value: domain.events[event] });
      }
    }
    return [events];
  },
};
