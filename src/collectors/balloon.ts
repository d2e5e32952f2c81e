import type { Collector } from '../scrape/collector.ts';
import { counter, gauge, type MetricFamily } from '../scrape/metric-family.ts';

const KIBIBYTE = 1024;

interface BalloonFamily {
  /** libvirt's field name (virConnectGetAllDomainStats, group balloon). */
  readonly field: string;
  readonly scale: number;
  readonly family: () => MetricFamily;
}

const bytes = (field: string, name: string, help: string): BalloonFamily => ({
  field: `balloon.${field}`,
  scale: KIBIBYTE,
  family: () => gauge(`libvirt_domain_balloon_${name}_bytes`, help),
});

const FAMILIES: readonly BalloonFamily[] = [
  bytes('current', 'current', 'Memory the balloon leaves the guest now.'),
  bytes('maximum', 'maximum', 'The most memory the guest can have.'),
  bytes('unused', 'unused', 'Memory the guest uses for nothing (MemFree), by its balloon driver.'),
  bytes('available', 'available', 'Memory as the guest sees it (MemTotal), by its balloon driver.'),
  bytes('usable', 'usable', 'Memory usable without swapping (MemAvailable), by its balloon driver.'),
  bytes('disk_caches', 'disk_caches', 'Memory in disk caches, by its balloon driver.'),
  bytes('rss', 'rss', "Resident memory of the domain's process on the host."),
  {
    field: 'balloon.swap_in',
    scale: KIBIBYTE,
    family: () => counter('libvirt_domain_balloon_swap_in_bytes_total', 'Swapped in since the guest booted.'),
  },
  {
    field: 'balloon.swap_out',
    scale: KIBIBYTE,
    family: () =>
      counter('libvirt_domain_balloon_swap_out_bytes_total', 'Swapped out since the guest booted.'),
  },
  {
    field: 'balloon.major_fault',
    scale: 1,
    family: () => counter('libvirt_domain_balloon_major_faults_total', 'Page faults that needed a disk.'),
  },
  {
    field: 'balloon.minor_fault',
    scale: 1,
    family: () => counter('libvirt_domain_balloon_minor_faults_total', 'Page faults that needed no disk.'),
  },
  {
    field: 'balloon.last-update',
    scale: 1,
    family: () =>
      gauge(
        'libvirt_domain_balloon_last_update_timestamp_seconds',
        'When the balloon driver last sent statistics, Unix time; stands still while no stats period is set.',
      ),
  },
];

export const balloonCollector: Collector = {
  name: 'balloon',
  help: "memory and swap activity by each guest's balloon driver, without an agent",
  enabledByDefault: true,
  collect: ({ domains }) =>
    FAMILIES.map(({ field, scale, family }) => {
      const made = family();
      for (const { name, balloon } of domains) {
        const value = balloon?.get(field);
        // Prometheus stores floating point: beyond 2^53 a byte more or less is lost knowingly.
        if (value !== undefined)
          made.samples.push({ labels: { domain: name }, value: Number(value) * scale });
      }
      return made;
    }),
};
