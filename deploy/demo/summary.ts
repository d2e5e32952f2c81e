import type { Exposition } from '../../testbed/exposition.ts';

/** What the exporter found, for people: a few lines a domain. */
export function summarize(seen: Exposition, domains: readonly string[]): string {
  const hypervisor = seen.labels('libvirt_hypervisor_info') ?? {};
  const head = `QEMU ${hypervisor.version} is installed, under libvirt ${hypervisor.libvirt_version}.`;
  return [head, '', ...domains.flatMap((domain) => [...describe(seen, domain), ''])].join('\n');
}

function describe(seen: Exposition, domain: string): string[] {
  const row = (what: string, text: string): string => `  ${what.padEnd(14)}${text}`;
  return [
    `${domain} (${state(seen, domain)})`,
    row('machine type', machineType(seen, domain)),
    row('QEMU', qemu(seen, domain)),
    row('declared OS', declaredOs(seen, domain)),
    row('running OS', runningOs(seen, domain)),
    row('swap', swap(seen, domain)),
    row('pending', pending(seen, domain)),
  ];
}

function state(seen: Exposition, domain: string): string {
  const current = seen.all('libvirt_domain_state', { domain }).find(({ value }) => value === 1);
  return current?.labels.state ?? 'unknown';
}

function machineType(seen: Exposition, domain: string): string {
  const info = seen.labels('libvirt_domain_machine_type_info', { domain });
  const behind = seen.value('libvirt_domain_machine_type_releases_behind', { domain });
  if (info === undefined || behind === undefined) return 'unknown';
  if (behind === 0) return `${info.machine}, the newest`;
  const removal = info.removed_in === '' ? '' : `; gone in QEMU ${info.removed_in}`;
  return `${info.machine}, ${behind} releases behind ${info.latest}${removal}`;
}

function qemu(seen: Exposition, domain: string): string {
  const info = seen.labels('libvirt_domain_qemu_info', { domain });
  if (info === undefined) return 'not running';
  const outdated = seen.value('libvirt_domain_qemu_outdated', { domain });
  const verdict =
    { 0: 'the installed one', 1: 'older than the installed one' }[outdated ?? -1] ?? 'maybe outdated';
  return `runs ${info.running_version}, ${verdict}`;
}

function declaredOs(seen: Exposition, domain: string): string {
  const declared = seen.labels('libvirt_domain_os_info', { domain })?.declared;
  if (declared === undefined || declared === '') return 'none';
  return `${declared}${endOfLife(seen, domain, declared)}`;
}

function endOfLife(seen: Exposition, domain: string, os: string): string {
  const seconds = seen.value('libvirt_domain_os_eol_timestamp_seconds', { domain, os });
  return seconds === undefined ? '' : `, end of life ${new Date(seconds * 1000).toISOString().slice(0, 10)}`;
}

function runningOs(seen: Exposition, domain: string): string {
  const { detected, name } = seen.labels('libvirt_domain_os_info', { domain }) ?? {};
  const state = seen.all('libvirt_domain_os_drift', { domain }).find(({ value }) => value === 1)
    ?.labels.state;
  if (name === undefined || name === '') return `not known (${state ?? 'unknown'})`;
  const end = endOfLife(seen, domain, detected ?? '');
  return `${name} (${detected}${end}): ${(state ?? 'unknown').replaceAll('_', ' ')}`;
}

function swap(seen: Exposition, domain: string): string {
  const total = seen.value('libvirt_domain_guest_swap_total_bytes', { domain });
  const used = seen.value('libvirt_domain_guest_swap_used_bytes', { domain });
  if (total === undefined || used === undefined) return 'not known';
  if (total === 0) return 'none';
  const node =
    seen.value('libvirt_domain_guest_kubernetes_node', { domain }) === 1 ? ', on a Kubernetes node' : '';
  const mebibytes = (bytes: number): number => Math.round(bytes / 2 ** 20);
  return `${mebibytes(used)} of ${mebibytes(total)} MiB in use${node}`;
}

function pending(seen: Exposition, domain: string): string {
  const changes = seen.all('libvirt_domain_config_pending', { domain });
  const waiting = changes.filter(({ value }) => value === 1).map(({ labels }) => labels.change);
  if (changes.length === 0) return 'nothing can be: it does not run';
  return waiting.length === 0 ? 'nothing' : `${waiting.join(', ')}: waits for a full stop and start`;
}
