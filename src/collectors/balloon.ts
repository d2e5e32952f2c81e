import type { Collector } from '../metrics/collector.ts';
import type { StatsFields } from '../stats/domain-stats.ts';
import { domainFamilies, fieldCounter, fieldGauge, kibibyteCounter, kibibyteGauge } from './stats-fields.ts';

const PREFIX = 'libvirt_domain_balloon';
const LABELS = ['domain'];
const BY_DRIVER = 'as last reported by its balloon driver';
const BY_DRIVER_NEEDS = { needs: "The guest's balloon driver and a stats period in the domain's XML" };

const METRICS = [
  kibibyteGauge(
    'current',
    `${PREFIX}_current_bytes`,
    'Memory that the balloon leaves the guest now, in bytes.',
    LABELS,
  ),
  kibibyteGauge(
    'maximum',
    `${PREFIX}_maximum_bytes`,
    'Maximum memory of the guest, in bytes; for a shut-off domain, at its next start.',
    LABELS,
  ),
  kibibyteGauge(
    'unused',
    `${PREFIX}_unused_bytes`,
    `Memory that the guest does not use (MemFree), in bytes, ${BY_DRIVER}.`,
    LABELS,
    BY_DRIVER_NEEDS,
  ),
  kibibyteGauge(
    'available',
    `${PREFIX}_available_bytes`,
    `Memory as the guest sees it (MemTotal), in bytes, ${BY_DRIVER}.`,
    LABELS,
    BY_DRIVER_NEEDS,
  ),
  kibibyteGauge(
    'usable',
    `${PREFIX}_usable_bytes`,
    `Memory that the guest can use without swapping (MemAvailable), in bytes, ${BY_DRIVER}.`,
    LABELS,
    BY_DRIVER_NEEDS,
  ),
  kibibyteGauge(
    'disk_caches',
    `${PREFIX}_disk_caches_bytes`,
    `Memory that the guest uses for disk caches, in bytes, ${BY_DRIVER}.`,
    LABELS,
    BY_DRIVER_NEEDS,
  ),
  kibibyteGauge(
    'rss',
    `${PREFIX}_rss_bytes`,
    "Resident memory of the domain's QEMU process on the host, in bytes.",
    LABELS,
  ),
  kibibyteCounter(
    'swap_in',
    `${PREFIX}_swap_in_bytes_total`,
    `Memory that the guest has swapped in since its boot, in bytes, ${BY_DRIVER}.`,
    LABELS,
    BY_DRIVER_NEEDS,
  ),
  kibibyteCounter(
    'swap_out',
    `${PREFIX}_swap_out_bytes_total`,
    `Memory that the guest has swapped out since its boot, in bytes, ${BY_DRIVER}.`,
    LABELS,
    BY_DRIVER_NEEDS,
  ),
  fieldCounter(
    'major_fault',
    `${PREFIX}_major_faults_total`,
    `Page faults of the guest that read from a disk, since its boot, ${BY_DRIVER}.`,
    LABELS,
    BY_DRIVER_NEEDS,
  ),
  fieldCounter(
    'minor_fault',
    `${PREFIX}_minor_faults_total`,
    `Page faults of the guest that did not read from a disk, since its boot, ${BY_DRIVER}.`,
    LABELS,
    BY_DRIVER_NEEDS,
  ),
  fieldCounter(
    'hugetlb_pgalloc',
    `${PREFIX}_hugetlb_allocations_total`,
    `Successful allocations of huge pages in the guest, since its boot, ${BY_DRIVER}.`,
    LABELS,
    BY_DRIVER_NEEDS,
  ),
  fieldCounter(
    'hugetlb_pgfail',
    `${PREFIX}_hugetlb_failures_total`,
    `Failed allocations of huge pages in the guest, since its boot, ${BY_DRIVER}.`,
    LABELS,
    BY_DRIVER_NEEDS,
  ),
  fieldGauge(
    'last-update',
    `${PREFIX}_last_update_timestamp_seconds`,
    "Time of the last report of the guest's balloon driver, in seconds since the Unix epoch; does not change while no " +
      'stats period is set.',
    LABELS,
    BY_DRIVER_NEEDS,
  ),
];

export const balloonCollector: Collector = {
  name: 'balloon',
  help: "memory and swap activity by each guest's balloon driver, without an agent",
  enabledByDefault: true,
  measures: ['balloon'],
  families: METRICS.map(({ spec }) => spec),
  collect: ({ domains }) =>
    domainFamilies(METRICS, domains, ({ measured }) => reportedFields(measured?.stats?.balloon)),
};

/** Fields that libvirt and QEMU know without the guest's driver. */
const HOST_FIELDS: ReadonlySet<string> = new Set(['current', 'maximum', 'rss']);

/** Until the guest's driver has sent its first report, `last-update` is 0 and the driver's fields mean nothing. */
function reportedFields(balloon: StatsFields | undefined): StatsFields | undefined {
  if (balloon?.get('last-update') !== 0) return balloon;
  return new Map([...balloon].filter(([field]) => HOST_FIELDS.has(field)));
}
