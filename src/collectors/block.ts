import type { DiskConfig } from '../inventory/domain-config.ts';
import type { Collector } from '../metrics/collector.ts';
import { gauge, sanitizeLabel } from '../metrics/metric-family.ts';
import { counterOf, gaugeOf, itemFamilies, nanoseconds } from './stats-fields.ts';

const PREFIX = 'libvirt_domain_block';

const METRICS = [
  counterOf('rd.bytes', `${PREFIX}_read_bytes_total`, 'Bytes read by the guest.'),
  counterOf('rd.reqs', `${PREFIX}_read_requests_total`, 'Read requests of the guest.'),
  nanoseconds('rd.times', `${PREFIX}_read_time_seconds_total`, 'Time that read requests took, added up.'),
  counterOf('wr.bytes', `${PREFIX}_write_bytes_total`, 'Bytes written by the guest.'),
  counterOf('wr.reqs', `${PREFIX}_write_requests_total`, 'Write requests of the guest.'),
  nanoseconds('wr.times', `${PREFIX}_write_time_seconds_total`, 'Time that write requests took, added up.'),
  counterOf('fl.reqs', `${PREFIX}_flush_requests_total`, 'Flush requests of the guest.'),
  nanoseconds('fl.times', `${PREFIX}_flush_time_seconds_total`, 'Time that flush requests took, added up.'),
  gaugeOf('allocation', `${PREFIX}_allocation_bytes`, 'Offset of the highest byte written.'),
  gaugeOf('capacity', `${PREFIX}_capacity_bytes`, 'Size of the disk as the guest sees it.'),
  gaugeOf('physical', `${PREFIX}_physical_bytes`, 'Size of the image or device on the host.'),
];

/** `<iotune>` elements that limit bytes or requests a second, and for how long they may burst. */
const LIMITS: readonly (readonly [element: string, name: string, help: string])[] = (
  ['total', 'read', 'write'] as const
).flatMap((what) => [
  [`${what}_bytes_sec`, `limit_${what}_bytes_per_second`, `Most bytes a second, ${what}.`],
  [`${what}_iops_sec`, `limit_${what}_requests_per_second`, `Most requests a second, ${what}.`],
  [
    `${what}_bytes_sec_max`,
    `limit_burst_${what}_bytes_per_second`,
    `Most bytes a second in a burst, ${what}.`,
  ],
  [
    `${what}_iops_sec_max`,
    `limit_burst_${what}_requests_per_second`,
    `Most requests a second in a burst, ${what}.`,
  ],
  [
    `${what}_bytes_sec_max_length`,
    `limit_burst_length_${what}_bytes_seconds`,
    `How long a burst of bytes may last, ${what}.`,
  ],
  [
    `${what}_iops_sec_max_length`,
    `limit_burst_length_${what}_requests_seconds`,
    `How long a burst of requests may last, ${what}.`,
  ],
]);

const ALL_LIMITS = [
  ...LIMITS,
  ['size_iops_sec', 'limit_size_iops_bytes', 'A request of more bytes than this counts as several.'],
] as const;

export const blockCollector: Collector = {
  name: 'block',
  help: 'reads, writes, flushes, sizes and limits of each disk',
  enabledByDefault: true,
  measures: ['block'],
  *collect({ domains }) {
    const info = gauge(`${PREFIX}_info`, 'What the disk is made of; empty labels are defaults; always 1.');
    const limits = ALL_LIMITS.map(([element, name, help]) => ({
      element,
      family: gauge(`${PREFIX}_${name}`, `${help.slice(0, -1)}; absent without a limit.`),
    }));
    for (const { name: domain, current } of domains) {
      const named = new Set<string>();
      for (const disk of current?.disks ?? []) {
        // Two of one name would repeat a series, which spoils the whole scrape.
        if (named.has(disk.target)) continue;
        named.add(disk.target);
        info.samples.push({ labels: { domain, ...infoLabels(disk) }, value: 1 });
        if (disk.ioTune.size === 0) continue;
        for (const { element, family } of limits) {
          const value = disk.ioTune.get(element);
          if (value !== undefined)
            family.samples.push({ labels: { domain, device: sanitizeLabel(disk.target) }, value });
        }
      }
    }
    yield info;
    yield* itemFamilies(METRICS, 'device', domains, (domain) => domain.measured?.stats?.blocks);
    for (const { family } of limits) yield family;
  },
};

/** The query of a network disk's URL may hold a token, which is nobody's business who may scrape. */
function withoutQuery({ type, source }: DiskConfig): string | undefined {
  return type === 'network' ? source?.split('?', 1)[0] : source;
}

function infoLabels(disk: DiskConfig): Record<string, string> {
  return {
    device: sanitizeLabel(disk.target),
    bus: sanitizeLabel(disk.bus),
    driver: sanitizeLabel(disk.driver),
    format: sanitizeLabel(disk.format),
    cache: sanitizeLabel(disk.cache),
    io: sanitizeLabel(disk.io),
    discard: sanitizeLabel(disk.discard),
    source_type: sanitizeLabel(disk.type),
    source: sanitizeLabel(withoutQuery(disk)),
    protocol: sanitizeLabel(disk.protocol),
    serial: sanitizeLabel(disk.serial),
  };
}
