import { LIFECYCLE_EVENTS } from '../inventory/lifecycle-events.ts';
import type { Collector } from '../metrics/collector.ts';
import { addSample, counter, newFamily } from '../metrics/metric-family.ts';

const EVENTS = counter(
  'libvirt_domain_events_total',
  'Lifecycle events of the domain since the exporter started; events while libvirt does not answer are not counted.',
  ['domain', 'event'],
  { values: { event: LIFECYCLE_EVENTS }, needs: '`panicked`: a panic device (pvpanic) in the domain' },
);

export const eventsCollector: Collector = {
  name: 'events',
  help: 'lifecycle events of each domain, counted',
  enabledByDefault: true,
  families: [EVENTS],
  collect: ({ domains }) => {
    const events = newFamily(EVENTS);
    for (const domain of domains) {
      for (const event of LIFECYCLE_EVENTS) {
        addSample(events, { domain: domain.name, event }, domain.events[event]);
      }
    }
    return [events];
  },
};
