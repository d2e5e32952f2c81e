import type { DiskConfig } from '../inventory/domain-config.ts';
import type { Collector } from '../metrics/collector.ts';
import {
  addSample,
  type FamilySpec,
  gauge,
  info,
  newFamily,
  sanitizeLabel,
} from '../metrics/metric-family.ts';
import { BLOCK_JOB_TYPES } from '../stats/block-job-reader.ts';
import { fieldCounter, fieldGauge, itemFamilies, nanosecondCounter } from './stats-fields.ts';

const PREFIX = 'libvirt_domain_block';
const LABELS = ['domain', 'device'];

const INFO = info(
  `${PREFIX}_info`,
  'Bus, driver, format, cache mode, source, serial and throttle group of the disk; a label is empty where the configuration has no ' +
    'value; always 1.',
  [
    ...LABELS,
    'bus',
    'driver',
    'format',
    'cache',
    'io',
    'discard',
    'source_type',
    'source',
    'protocol',
    'serial',
    'throttle_group',
  ],
);

const BACKING_CHAIN = gauge(
  `${PREFIX}_backing_chain_length`,
  "Number of images under the disk's own image; each snapshot of the disk adds one; absent while the domain is shut off.",
  LABELS,
);
const JOB_ACTIVE = gauge(
  `${PREFIX}_job_active`,
  '1 while a block job of this type runs on the disk; absent otherwise. A pull or commit shows within a few scrapes where ' +
    'many disks have backing images.',
  [...LABELS, 'type'],
  { values: { type: BLOCK_JOB_TYPES } },
);

const METRICS = [
  ...(
    [
      ['rd', 'read'],
      ['wr', 'write'],
    ] as const
  ).flatMap(([field, what]) => [
    fieldCounter(
      `${field}.bytes`,
      `${PREFIX}_${what}_bytes_total`,
      `Data of the domain's ${what} requests to the disk, in bytes.`,
      LABELS,
    ),
    fieldCounter(
      `${field}.reqs`,
      `${PREFIX}_${what}_requests_total`,
      `Number of the domain's ${what} requests to the disk.`,
      LABELS,
    ),
    nanosecondCounter(
      `${field}.times`,
      `${PREFIX}_${what}_time_seconds_total`,
      `Time that the domain's ${what} requests to the disk took, in seconds, summed over requests.`,
      LABELS,
    ),
  ]),
  fieldCounter(
    'fl.reqs',
    `${PREFIX}_flush_requests_total`,
    "Number of the domain's flush requests to the disk.",
    LABELS,
  ),
  nanosecondCounter(
    'fl.times',
    `${PREFIX}_flush_time_seconds_total`,
    "Time that the domain's flush requests to the disk took, in seconds, summed over requests.",
    LABELS,
  ),
  fieldGauge(
    'allocation',
    `${PREFIX}_allocation_bytes`,
    "Highest offset that is written in the disk's image, in bytes.",
    LABELS,
  ),
  fieldGauge(
    'capacity',
    `${PREFIX}_capacity_bytes`,
    'Size of the disk as the guest sees it, in bytes.',
    LABELS,
  ),
  fieldGauge(
    'physical',
    `${PREFIX}_physical_bytes`,
    "Size of the disk's image or device on the host, in bytes.",
    LABELS,
  ),
];

interface LimitMetric {
  /** Element of `<iotune>`. */
  readonly element: string;
  readonly spec: FamilySpec;
}

function limit(element: string, name: string, help: string): LimitMetric {
  const needs = `\`<iotune>\` in the domain's XML (\`${element}\`)`;
  return {
    element,
    spec: gauge(`${PREFIX}_limit_${name}`, `${help}; absent without a limit.`, LABELS, { needs }),
  };
}

const LIMITS: readonly LimitMetric[] = [
  ...(
    [
      ['total', 'reads and writes together'],
      ['read', 'reads'],
      ['write', 'writes'],
    ] as const
  ).flatMap(([what, words]) => [
    limit(
      `${what}_bytes_sec`,
      `${what}_bytes_per_second`,
      `Limit of data to and from the disk, in bytes per second, ${words}`,
    ),
    limit(
      `${what}_iops_sec`,
      `${what}_requests_per_second`,
      `Limit of requests to the disk, in requests per second, ${words}`,
    ),
    limit(
      `${what}_bytes_sec_max`,
      `burst_${what}_bytes_per_second`,
      `Limit of data to and from the disk in a burst, in bytes per second, ${words}`,
    ),
    limit(
      `${what}_iops_sec_max`,
      `burst_${what}_requests_per_second`,
      `Limit of requests to the disk in a burst, in requests per second, ${words}`,
    ),
    limit(
      `${what}_bytes_sec_max_length`,
      `burst_length_${what}_bytes_seconds`,
      `Maximum length of a burst of data to and from the disk, in seconds, ${words}`,
    ),
    limit(
      `${what}_iops_sec_max_length`,
      `burst_length_${what}_requests_seconds`,
      `Maximum length of a burst of requests to the disk, in seconds, ${words}`,
    ),
  ]),
  limit(
    'size_iops_sec',
    'size_iops_bytes',
    'Size in bytes above which a request to the disk counts as several for its limit of requests',
  ),
];

export const blockCollector: Collector = {
  name: 'block',
  help: 'reads, writes, flushes, sizes, limits, images and jobs of each disk',
  enabledByDefault: true,
  measures: ['block'],
  families: [
    INFO,
    BACKING_CHAIN,
    JOB_ACTIVE,
    ...METRICS.map(({ spec }) => spec),
    ...LIMITS.map(({ spec }) => spec),
  ],
  *collect({ domains }) {
    const disks = newFamily(INFO);
    const chains = newFamily(BACKING_CHAIN);
    const jobs = newFamily(JOB_ACTIVE);
    const limits = LIMITS.map(({ element, spec }) => ({ element, family: newFamily(spec) }));
    for (const { name: domain, current, measured } of domains) {
      for (const [device, type] of measured?.blockJobs ?? []) {
        addSample(jobs, { domain, device: sanitizeLabel(device), type }, 1);
      }
      const named = new Set<string>();
      for (const disk of current?.disks ?? []) {
        // A second disk of the same name would repeat a series, and Prometheus then rejects the whole scrape.
        if (named.has(disk.target)) continue;
        named.add(disk.target);
        addSample(disks, { domain, ...infoLabels(disk) }, 1);
        addSample(chains, { domain, device: sanitizeLabel(disk.target) }, disk.backingImages);
        if (disk.ioTune.size === 0) continue;
        for (const { element, family } of limits) {
          addSample(family, { domain, device: sanitizeLabel(disk.target) }, disk.ioTune.get(element));
        }
      }
    }
    yield disks;
    yield chains;
    yield jobs;
    yield* itemFamilies(METRICS, 'device', domains, (domain) => domain.measured?.stats?.blocks);
    for (const { family } of limits) yield family;
  },
};

/** The query of a network disk's URL may hold a token, which must not reach everyone who may scrape. */
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
    throttle_group: sanitizeLabel(disk.throttleGroup),
  };
}
