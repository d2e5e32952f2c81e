import type { Collector } from '../metrics/collector.ts';
import type { StatsFields } from '../stats/domain-stats.ts';
import { counterOf, domainFamilies, gaugeOf, kibibyteCounter, kibibytes } from './stats-fields.ts';

const PREFIX = 'libvirt_domain_balloon';

const METRICS = [
  kibibytes(PREFIX, 'current', 'Memory the balloon leaves the guest now.'),
  kibibytes(PREFIX, 'maximum', 'The most memory the guest can have.'),
  kibibytes(PREFIX, 'unused', 'Memory the guest uses for nothing (MemFree), by its balloon driver.'),
  kibibytes(PREFIX, 'available', 'Memory as the guest sees it (MemTotal), by its balloon driver.'),
  kibibytes(PREFIX, 'usable', 'Memory usable without swapping (MemAvailable), by its balloon driver.'),
  kibibytes(PREFIX, 'disk_caches', 'Memory in disk caches, by its balloon driver.'),
  kibibytes(PREFIX, 'rss', "Resident memory of the domain's process on the host."),
  kibibyteCounter('swap_in', `${PREFIX}_swap_in_bytes_total`, 'Swapped in since the guest booted.'),
  kibibyteCounter('swap_out', `${PREFIX}_swap_out_bytes_total`, 'Swapped out since the guest booted.'),
  counterOf('major_fault', `${PREFIX}_major_faults_total`, 'Page faults that needed a disk.'),
  counterOf('minor_fault', `${PREFIX}_minor_faults_total`, 'Page faults that needed no disk.'),
  counterOf('hugetlb_pgalloc', `${PREFIX}_hugetlb_allocations_total`, 'Huge pages the guest was given.'),
  counterOf('hugetlb_pgfail', `${PREFIX}_hugetlb_failures_total`, 'Huge pages the guest asked for in vain.'),
  gaugeOf(
    'last-update',
    `${PREFIX}_last_update_timestamp_seconds`,
    'When the balloon driver last sent statistics, Unix time; stands still while no stats period is set.',
  ),
];

export const balloonCollector: Collector = {
  name: 'balloon',
  help: "memory and swap activity by each guest's balloon driver, without an agent",
  enabledByDefault: true,
  measures: ['balloon'],
  collect: ({ domains }) =>
    domainFamilies(METRICS, domains, ({ measured }) => toldBy(measured?.stats?.balloon)),
};

/** What the host knows by itself. */
const OF_HOST: ReadonlySet<string> = new Set(['current', 'maximum', 'rss']);

/** Until the guest's driver has told something, its last update is 0, and all that is its to tell stands for nothing. */
function toldBy(balloon: StatsFields | undefined): StatsFields | undefined {
  if (balloon?.get('last-update') !== 0) return balloon;
  return new Map([...balloon].filter(([field]) => OF_HOST.has(field)));
}
