import type { Exposition } from '../../testbed/exposition.ts';
import type { WebhookAlert } from '../../testbed/monitoring/webhook.ts';
import { remedyOf } from './remedies.ts';

export interface Findings {
  readonly seen: Exposition;
  readonly domains: readonly string[];
  /** Share of CPU time that a domain's guest waits for I/O, 0 to 1; a domain without data is absent. */
  readonly iowait: ReadonlyMap<string, number>;
  readonly alerts: readonly WebhookAlert[];
}

const HEADINGS = ['DOMAIN', 'MACHINE TYPE', 'BEHIND', 'DECLARED', 'RUNNING', 'SWAP', 'IOWAIT'];
const NUMBERS: ReadonlySet<string> = new Set(['BEHIND', 'SWAP', 'IOWAIT']);
const NOTHING = '-';

/** The findings as two tables that fit a terminal of 80 columns: the domains, and each domain's alerts. */
export function renderFindings(findings: Findings): string {
  const { seen, domains } = findings;
  const { version = '?', libvirt_version = '?' } = seen.labels('libvirt_hypervisor_info') ?? {};
  return [
    `QEMU ${version}, libvirt ${libvirt_version}. BEHIND counts QEMU releases. SWAP: in use.`,
    '',
    ...formatTable([HEADINGS, ...domains.map((domain) => domainRow(findings, domain))]),
    ...alertLines(findings),
  ].join('\n');
}

function domainRow({ seen, iowait }: Findings, domain: string): string[] {
  const os = seen.labels('libvirt_domain_os_info', { domain });
  const behind = seen.value('libvirt_domain_machine_type_releases_behind', { domain });
  return [
    domain,
    seen.labels('libvirt_domain_machine_type_info', { domain })?.machine ?? NOTHING,
    behind === undefined ? NOTHING : String(behind),
    shortOs(os?.declared),
    shortOs(os?.detected, stateOf(seen, domain)),
    swapUsed(seen, domain),
    percent(iowait.get(domain)),
  ];
}

/** `http://ubuntu.com/ubuntu/18.04` as libosinfo abbreviates it: `ubuntu18.04`. */
function shortOs(id: string | undefined, otherwise = NOTHING): string {
  if (id === undefined || id === '') return otherwise;
  return id.split('/').slice(-2).join('');
}

/** Why there is no running OS: the domain's state, unless it runs and its guest agent has not answered. */
function stateOf(seen: Exposition, domain: string): string {
  const current = seen.all('libvirt_domain_state', { domain }).find(({ value }) => value === 1)?.labels.state;
  return current === undefined || current === 'running' ? NOTHING : current;
}

function swapUsed(seen: Exposition, domain: string): string {
  const total = seen.value('libvirt_domain_guest_swap_total_bytes', { domain });
  const used = seen.value('libvirt_domain_guest_swap_used_bytes', { domain });
  if (total === undefined || used === undefined) return NOTHING;
  return total === 0 ? 'none' : percent(used / total);
}

function percent(ratio: number | undefined): string {
  return ratio === undefined ? NOTHING : `${Math.round(ratio * 100)} %`;
}

/** Each domain that has alerts, followed by its alerts with what to do; the first alert of a name counts. */
function alertLines({ domains, alerts }: Findings): string[] {
  const rows = domains.map((domain) => {
    const own = alerts.filter(({ labels }) => labels.domain === domain);
    const names = new Set(own.map(({ labels }) => labels.alertname ?? ''));
    return [...names].map((name) => [`  ${name}`, remedyOf(name)]);
  });
  const lines = formatTable(rows.flat());
  return domains.flatMap((domain, index) => {
    const own = lines.splice(0, rows[index]?.length ?? 0);
    return own.length === 0 ? [] : ['', domain, ...own];
  });
}

/** Columns two blanks apart; those with a heading in NUMBERS end where the heading ends. */
function formatTable(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  const isNumber = (column: number): boolean => NUMBERS.has(rows[0]?.[column] ?? '');
  return rows.map((row) =>
    row
      .map((cell, column) =>
        isNumber(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  );
}
