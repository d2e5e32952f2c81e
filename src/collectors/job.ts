import type { Collector } from '../metrics/collector.ts';
import { boolToNumber, gauge } from '../metrics/metric-family.ts';
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

/** VIR_DOMAIN_JOB_* fields: times are milliseconds, amounts bytes; `disk` is what virsh calls file. */
const FIELDS: readonly (readonly [field: string, name: string, help: string, scale: number])[] = [
  ['time_elapsed', 'elapsed_seconds', 'How long the job has been running.', 1e-3],
  ['time_remaining', 'remaining_seconds', 'How long the job will take by its own reckoning.', 1e-3],
  ...(
    [
      ['data', 'data', ''],
      ['memory', 'memory', 'of memory'],
      ['disk', 'file', 'of disks'],
    ] as const
  ).flatMap(([field, name, what]) =>
    (['total', 'processed', 'remaining'] as const).map(
      (part) =>
        [
          `${field}_${part}`,
          `${name}_${part}_bytes`,
          `Bytes ${what} that the job has to move: ${part}.`.replace('  ', ' '),
          1,
        ] as const,
    ),
  ),
];

export const jobCollector: Collector = {
  name: 'job',
  help: 'progress of migrations, backups and the like',
  enabledByDefault: true,
  measures: ['job'],
  collect: ({ domains }) => {
    const active = gauge(
      'libvirt_domain_job_active',
      'Whether a job, such as a migration or a backup, runs; looked for every 10 s.',
    );
    const info = gauge('libvirt_domain_job_info', 'What the job that runs does; always 1.');
    const families = FIELDS.map(([field, name, help, scale]) => ({
      field,
      scale,
      family: gauge(`libvirt_domain_job_${name}`, help),
    }));
    for (const { name: domain, measured } of domains) {
      const job = measured?.job;
      if (job === undefined) continue;
      active.samples.push({ labels: { domain }, value: boolToNumber(job !== 'none') });
      if (job === 'none') continue;
      info.samples.push({ labels: { domain, operation: operationOf(job) }, value: 1 });
      for (const { field, scale, family } of families) {
        const value = job.params.get(field);
        if (value !== undefined) family.samples.push({ labels: { domain }, value: Number(value) * scale });
      }
    }
    return [active, info, ...families.map(({ family }) => family)];
  },
};

function operationOf({ params }: DomainJob): string {
  return OPERATIONS[Number(params.get('operation') ?? 0)] ?? 'unknown';
}
