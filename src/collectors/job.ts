import type { Collector } from '../metrics/collector.ts';
import { addBoolean, addSample, type FamilySpec, gauge, info, newFamily } from '../metrics/metric-family.ts';
import type { DomainJob } from '../stats/stats-reader.ts';

/** virDomainJobOperation, by its number. */
const OPERATIONS = [
  'unknown',
  'start',
  'save',
  'restore',
  'migration_in',
  'migration_out',
  'snapshot',
  'snapshot_revert',
  'dump',
  'backup',
  'snapshot_delete',
] as const;

const LABELS = ['domain'];

const ACTIVE = gauge(
  'libvirt_domain_job_active',
  'Whether a job, such as a migration or a backup, runs on the domain: 1 yes, 0 no; a new job shows within a second. For jobs of one disk see libvirt_domain_block_job_active.',
  LABELS,
);
const INFO = info(
  'libvirt_domain_job_info',
  'Operation of the job that runs on the domain; always 1.',
  [...LABELS, 'operation'],
  { values: { operation: OPERATIONS } },
);

interface JobMetric {
  /** One of VIR_DOMAIN_JOB_*: times are milliseconds, amounts bytes. */
  readonly field: string;
  readonly scale: number;
  readonly spec: FamilySpec;
}

const METRICS: readonly JobMetric[] = [
  {
    field: 'time_elapsed',
    scale: 1e-3,
    spec: gauge(
      'libvirt_domain_job_elapsed_seconds',
      'Time since the job that runs on the domain was started, in seconds.',
      LABELS,
    ),
  },
  {
    field: 'time_remaining',
    scale: 1e-3,
    spec: gauge(
      'libvirt_domain_job_remaining_seconds',
      "Time until the job that runs on the domain ends, in seconds, by the hypervisor's estimate.",
      LABELS,
    ),
  },
  // libvirt's `disk` is virsh's "File".
  ...(
    [
      ['data', 'data', 'data'],
      ['memory', 'memory', 'memory'],
      ['disk', 'file', 'disk data'],
    ] as const
  ).flatMap(([field, name, what]) =>
    (
      [
        ['total', `Amount of ${what} that the job on the domain moves in all, in bytes.`],
        ['processed', `Amount of ${what} that the job on the domain has moved, in bytes.`],
        ['remaining', `Amount of ${what} that the job on the domain still has to move, in bytes.`],
      ] as const
    ).map(([part, help]) => ({
      field: `${field}_${part}`,
      scale: 1,
      spec: gauge(`libvirt_domain_job_${name}_${part}_bytes`, help, LABELS),
    })),
  ),
];

export const jobCollector: Collector = {
  name: 'job',
  help: 'progress of migrations, backups and the like',
  enabledByDefault: true,
  measures: ['job'],
  families: [ACTIVE, INFO, ...METRICS.map(({ spec }) => spec)],
  collect: ({ domains }) => {
    const active = newFamily(ACTIVE);
    const operations = newFamily(INFO);
    const metrics = METRICS.map(({ field, scale, spec }) => ({ field, scale, family: newFamily(spec) }));
    for (const { name: domain, measured } of domains) {
      const job = measured?.job;
      if (job === undefined) continue;
      addBoolean(active, { domain }, job !== 'none');
      if (job === 'none') continue;
      addSample(operations, { domain, operation: operationOf(job) }, 1);
      for (const { field, scale, family } of metrics) {
        const value = job.params.get(field);
        addSample(family, { domain }, value === undefined ? undefined : Number(value) * scale);
      }
    }
    return [active, operations, ...metrics.map(({ family }) => family)];
  },
};

function operationOf({ params }: DomainJob): string {
  return OPERATIONS[Number(params.get('operation') ?? 0)] ?? 'unknown';
}
