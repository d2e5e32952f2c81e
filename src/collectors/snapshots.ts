import type { Collector } from '../metrics/collector.ts';
import { addSample, gauge, newFamily } from '../metrics/metric-family.ts';

const COUNT = gauge(
  'libvirt_domain_snapshots',
  'Number of snapshots of the domain that libvirt has; read at events and at least every five minutes.',
  ['domain'],
);
const OLDEST = gauge(
  'libvirt_domain_snapshot_oldest_timestamp_seconds',
  'Creation time of the oldest snapshot of the domain, in seconds since the Unix epoch; absent without snapshots.',
  ['domain'],
);

export const snapshotsCollector: Collector = {
  name: 'snapshots',
  help: "number and age of each domain's snapshots",
  enabledByDefault: true,
  families: [COUNT, OLDEST],
  collect: ({ domains }) => {
    const count = newFamily(COUNT);
    const oldest = newFamily(OLDEST);
    for (const { name: domain, snapshots } of domains) {
      addSample(count, { domain }, snapshots?.count);
      addSample(oldest, { domain }, snapshots?.oldestSeconds);
    }
    return [count, oldest];
  },
};
