import { COLOR, DOMAIN_STATE, OS_DRIFT, OUTDATED, SUPPORTED } from './mappings.ts';
import type { Query } from './panels.ts';
import { copyLabel, driftState, guestCpuShare, ONE_DOMAIN, ROW, select, shortOsId } from './queries.ts';
import type { Column } from './table.ts';

function perRow(expression: string, ...labels: readonly string[]): string {
  return `max by (${[ROW, ...labels].join(', ')}) (${expression})`;
}

function osIds(...matchers: readonly string[]): string {
  return shortOsId(shortOsId(select('libvirt_domain_os_info', ...matchers), 'declared'), 'detected');
}

/** One query for each fact about a domain, to be merged into one row. */
export function factQueries(): readonly Query[] {
  return [
    perRow(select('libvirt_domain_machine_type_info'), 'machine', 'latest', 'removed_in'),
    perRow(select('libvirt_domain_machine_type_releases_behind')),
    perRow(select('libvirt_domain_machine_type_supported')),
    perRow(select('libvirt_domain_qemu_info'), 'running_version', 'installed_version'),
    perRow(select('libvirt_domain_qemu_outdated')),
    `sum by (${ROW}) (${select('libvirt_domain_config_pending')})`,
    perRow(osIds(), 'declared', 'detected'),
    perRow(driftState(), 'drift'),
    `${perRow(select('libvirt_domain_os_eol_timestamp_seconds'))} - time()`,
    guestCpuShare('iowait', ROW),
    perRow(select('libvirt_domain_guest_swap_used_bytes')),
    perRow(copyLabel(`${select('libvirt_domain_state')} == 1`, 'state', 'domain_state'), 'domain_state'),
  ].map((expr) => ({ expr }));
}

/** The columns for `factQueries`, in its order of refIds. */
export const FACT_COLUMNS: readonly Column[] = [
  { from: 'domain', width: 170 },
  { from: 'instance', width: 150 },
  { from: 'domain_state', title: 'State', mappings: DOMAIN_STATE, width: 90 },
  { from: 'machine', title: 'Machine type', width: 140 },
  {
    from: 'B',
    title: 'Behind',
    unit: 'none',
    steps: [
      [0, COLOR.good],
      [1, COLOR.note],
      [9, COLOR.wrong],
    ],
    width: 70,
  },
  { from: 'latest', title: 'Newest supported', width: 130 },
  { from: 'removed_in', title: 'Gone in QEMU', width: 110 },
  { from: 'C', title: 'Starts again', mappings: SUPPORTED, width: 110 },
  { from: 'running_version', title: 'Runs on QEMU', width: 120 },
  { from: 'installed_version', title: 'Installed', width: 90 },
  { from: 'E', title: 'Old binary', mappings: OUTDATED, width: 110 },
  {
    from: 'F',
    title: 'Pending',
    unit: 'none',
    steps: [
      [0, COLOR.good],
      [1, COLOR.wrong],
    ],
    width: 80,
  },
  { from: 'declared', title: 'OS declared', width: 130 },
  { from: 'detected', title: 'OS running', width: 130 },
  { from: 'drift', title: 'OS drift', mappings: OS_DRIFT, width: 160 },
  {
    from: 'I',
    title: 'Support left',
    unit: 's',
    steps: [
      [-1e12, COLOR.broken],
      [0, COLOR.soon],
      [90 * 86400, COLOR.good],
    ],
    width: 100,
  },
  {
    from: 'J',
    title: 'iowait',
    unit: 'percentunit',
    steps: [
      [0, COLOR.good],
      [0.1, COLOR.soon],
      [0.2, COLOR.broken],
    ],
    cell: 'background',
    width: 90,
  },
  {
    from: 'K',
    title: 'Swap used',
    unit: 'bytes',
    steps: [
      [0, COLOR.good],
      [1, COLOR.soon],
    ],
    width: 100,
  },
];

/**
 * Three years of QEMU's releases: the upgrade of a distribution skips up to seven (Debian 12 to 13). With many more every
 * domain is listed, as each type has its end.
 */
const RELEASES_AHEAD = 9;

/**
 * What will be gone soon: one row a domain, with the hypervisor's QEMU beside the release that drops its type, how many
 * releases that is away, and whether the domain starts again as it is.
 */
export function removalQueries(): readonly Query[] {
  const info = select('libvirt_domain_machine_type_info', 'removed_in!=""');
  const left = `(${select('libvirt_domain_machine_type_releases_until_removed')} <= ${RELEASES_AHEAD})`;
  // One each: without stale markers (federation, push) an old and a new series stand side by side for minutes.
  const installed = copyLabel(
    `topk by (job, instance) (1, ${select('libvirt_hypervisor_info')})`,
    'version',
    'qemu',
  );
  const row = (value: string): Query => ({
    expr: `max by (removed_in, machine, qemu, ${ROW}) (${info} * on (${ONE_DOMAIN}) group_left () ${value} * on (job, instance) group_left (qemu) ${installed})`,
  });
  const supported = select('libvirt_domain_machine_type_supported');
  return [row(left), row(`(${supported} and on (${ONE_DOMAIN}) ${left})`)];
}

export const REMOVAL_COLUMNS: readonly Column[] = [
  { from: 'removed_in', title: 'Gone in QEMU', width: 120 },
  { from: 'machine', title: 'Machine type', width: 160 },
  { from: 'domain' },
  { from: 'instance' },
  { from: 'qemu', title: 'Installed QEMU', width: 130 },
  {
    from: 'A',
    title: 'Releases left',
    unit: 'none',
    steps: [
      [-1e3, COLOR.broken],
      [1, COLOR.wrong],
      [4, COLOR.soon],
    ],
    width: 110,
  },
  { from: 'B', title: 'Starts again', mappings: SUPPORTED, width: 120 },
];

/** Why guest data is missing; the same reason once as it is, once as the next step. */
export function missingQuery(...matchers: readonly string[]): Query {
  const missing = copyLabel(`${select('libvirt_domain_guest_missing', ...matchers)} == 1`, 'reason', 'todo');
  return { expr: `max by (${ROW}, family, reason, todo) (${missing})` };
}

export function pendingQuery(...matchers: readonly string[]): Query {
  return { expr: perRow(`${select('libvirt_domain_config_pending', ...matchers)} == 1`, 'change') };
}
