/**
 * Domains as Prometheus sees them, made from what happens in them: counters are added up, so that a test states rates. A
 * quantity that is left out has no series.
 */

/** What one kind of request of a disk does. */
export interface Requests {
  readonly perSecond: number;
  /** Mean time of a request. */
  readonly seconds: number;
  readonly bytesPerSecond?: number;
}

export interface Disk {
  readonly read?: Requests;
  readonly write?: Requests;
  readonly flush?: Requests;
  /** By the names of `libvirt_domain_block_limit_*_per_second`, such as `total_bytes`. */
  readonly limits?: Readonly<Record<string, number>>;
  /** Type of the block job that is under way on the disk. */
  readonly job?: string;
  readonly throttleGroup?: string;
}

/** What the guest agent reports. */
export interface AgentView {
  /** CPUs that are idle with I/O outstanding. */
  readonly iowaitCpus?: number | undefined;
  readonly busyCpus?: number | undefined;
  /** Shares of time in which a task waited (PSI some). */
  readonly io?: number | undefined;
  readonly memory?: number | undefined;
  readonly cpu?: number | undefined;
  readonly load1?: number | undefined;
  readonly swapUsedBytes?: number | undefined;
  /** How much the swap in use moves from one probe to the next. */
  readonly swapUsedMovesBytes?: number | undefined;
  readonly swapTotalBytes?: number | undefined;
}

export interface Moment {
  readonly vcpus?: number | undefined;
  readonly running?: boolean | undefined;
  readonly agent?: AgentView | undefined;
  /** Bytes a second by the balloon driver, in and out together. */
  readonly balloonSwap?: number | undefined;
  readonly balloonBytes?: { readonly current: number; readonly maximum: number } | undefined;
  readonly disks?: Readonly<Record<string, Disk>> | undefined;
  /** CPUs that all vCPUs together got, and wanted but did not get. */
  readonly vcpuTime?: number | undefined;
  readonly vcpuDelay?: number | undefined;
  readonly throttled?:
    | { readonly seconds: number; readonly periods: number; readonly quotaCores?: number }
    | undefined;
  readonly processSwapBytes?: number | undefined;
  readonly processBlockedSeconds?: number | undefined;
  /** Share of time by the PSI of the domain's cgroup. */
  readonly hostMemoryPressure?: number | undefined;
  /** Values of further series, by their name and labels without `job`, `instance` and `domain`. */
  readonly gauges?: Readonly<Record<string, number>> | undefined;
}

export interface Phase extends Moment {
  readonly minutes: number;
  /** The agent's answers stop: what it said last is not served. */
  readonly agentSilent?: boolean | undefined;
  /** Nothing of the target is scraped. */
  readonly notScraped?: boolean | undefined;
  /** The statistics of the domain cannot be read in every second scrape. */
  readonly gaps?: boolean | undefined;
  /** At the beginning of the phase the guest boots: what it counts itself begins at 0. */
  readonly boots?: boolean | undefined;
  /** At the beginning of the phase QEMU is started: all counters begin at 0. */
  readonly starts?: boolean | undefined;
  /** The domain is not there. */
  readonly absent?: boolean | undefined;
  /** How far the host's clock is ahead of Prometheus'. */
  readonly clockAheadSeconds?: number | undefined;
}

export interface SimulatedGuest {
  readonly domain: string;
  readonly instance?: string | undefined;
  readonly phases: readonly Phase[];
  /** Without `libvirt_domain_stats_timestamp_seconds`, as older exporters. */
  readonly withoutStatsTime?: boolean | undefined;
}

/** What a target's series carry besides the exporter's labels; `dc` as an example of labels of one's own. */
export const TARGET = { job: 'libvirt', instance: 'hv1:9177', dc: 'a' };
/** A day in the life of a guest: counters do not begin at 0. */
const LIVED_SECONDS = 86_400;
const START = 1_790_000_000;
const COUNTED_BY_GUEST = /^libvirt_domain_(?:guest|balloon)_/;
const CPU_PERIODS_PER_SECOND = 10;

/** The series of a guest, by name with labels, in promtool's notation: one value each `stepSeconds`. */
export function guestSeries(guest: SimulatedGuest, stepSeconds: number): Record<string, string> {
  const labels = { ...TARGET, instance: guest.instance ?? TARGET.instance, domain: guest.domain };
  const columns = new Map<string, string[]>();
  const totals = new Map<string, number>();
  let step = 0;
  const put = (name: string, more: Readonly<Record<string, string>>, value: number | undefined): void => {
    if (value === undefined) return;
    const key = seriesName(name, { ...labels, ...more });
    const column = columns.get(key) ?? [];
    while (column.length < step) column.push('_');
    column.push(String(Number(value.toPrecision(15))));
    columns.set(key, column);
  };
  const count = (
    name: string,
    more: Readonly<Record<string, string>>,
    perSecond: number | undefined,
    shown = true,
  ): void => {
    if (perSecond === undefined) return;
    const key = seriesName(name, { ...labels, ...more });
    const total = (totals.get(key) ?? LIVED_SECONDS) + perSecond * stepSeconds;
    totals.set(key, total);
    if (shown) put(name, more, total);
  };
  for (const phase of guest.phases) {
    for (const key of totals.keys())
      if (phase.starts === true || (phase.boots === true && COUNTED_BY_GUEST.test(key))) totals.set(key, 0);
    const steps = Math.round((phase.minutes * 60) / stepSeconds);
    for (let i = 0; i < steps; i++, step++) {
      const scraped = phase.notScraped !== true && phase.absent !== true;
      const shown = scraped && !(phase.gaps === true && i % 2 === 1);
      const now = START + step * stepSeconds + (phase.clockAheadSeconds ?? 0);
      if (scraped) {
        put('libvirt_domain_state', { state: 'running' }, phase.running === false ? 0 : 1);
        put('libvirt_domain_vcpus', {}, phase.vcpus);
      }
      if (shown && guest.withoutStatsTime !== true) put('libvirt_domain_stats_timestamp_seconds', {}, now);
      countAgent(phase, count, scraped && phase.agentSilent !== true);
      if (scraped && phase.agentSilent !== true) putAgent(phase, put, now, step);
      if (phase.balloonSwap !== undefined) {
        count('libvirt_domain_balloon_swap_in_bytes_total', {}, phase.balloonSwap / 2, shown);
        count('libvirt_domain_balloon_swap_out_bytes_total', {}, phase.balloonSwap / 2, shown);
        if (shown) put('libvirt_domain_balloon_last_update_timestamp_seconds', {}, now);
      }
      for (const [device, disk] of Object.entries(phase.disks ?? {}))
        countDisk(device, disk, count, put, shown);
      count('libvirt_domain_vcpu_delay_seconds_total', { vcpu: '0' }, phase.vcpuDelay, scraped);
      count('libvirt_domain_vcpu_time_seconds_total', { vcpu: '0' }, phase.vcpuTime, scraped);
      countHost(phase, count, put, scraped);
      for (const [name, value] of scraped ? Object.entries(phase.gauges ?? {}) : []) {
        const [metric = '', more] = name.split('{');
        put(metric, parseLabels(more), value);
      }
      // As Prometheus marks a series that a scrape no longer has.
      for (const column of columns.values())
        if (column.length === step) column.push(/\d/.test(column.at(-1) ?? '') ? 'stale' : '_');
    }
  }
  return Object.fromEntries([...columns].map(([key, column]) => [key, column.join(' ')]));
}

type Put = (name: string, more: Readonly<Record<string, string>>, value: number | undefined) => void;
type Count = (
  name: string,
  more: Readonly<Record<string, string>>,
  perSecond: number | undefined,
  shown?: boolean,
) => void;

function countAgent({ agent, vcpus = 1 }: Phase, count: Count, shown: boolean): void {
  if (agent === undefined) return;
  const { iowaitCpus, busyCpus = 0 } = agent;
  if (iowaitCpus !== undefined) {
    const modes = { iowait: iowaitCpus, user: busyCpus, idle: vcpus - iowaitCpus - busyCpus };
    for (const [mode, cpus] of Object.entries(modes))
      count('libvirt_domain_guest_cpu_seconds_total', { mode }, cpus, shown);
  }
  for (const resource of ['io', 'memory', 'cpu'] as const)
    count('libvirt_domain_guest_pressure_waiting_seconds_total', { resource }, agent[resource], shown);
}

function putAgent({ agent }: Phase, put: Put, now: number, step: number): void {
  if (agent === undefined) return;
  put('libvirt_domain_guest_probe_timestamp_seconds', {}, now);
  put('libvirt_domain_guest_load1', {}, agent.load1);
  const moved = (step % 7) * (agent.swapUsedMovesBytes ?? 0);
  if (agent.swapUsedBytes !== undefined)
    put('libvirt_domain_guest_swap_used_bytes', {}, agent.swapUsedBytes + moved);
  put('libvirt_domain_guest_swap_total_bytes', {}, agent.swapTotalBytes);
}

function countDisk(device: string, disk: Disk, count: Count, put: Put, shown: boolean): void {
  for (const operation of ['read', 'write', 'flush'] as const) {
    const requests = disk[operation];
    if (requests === undefined) continue;
    const prefix = `libvirt_domain_block_${operation}`;
    count(`${prefix}_requests_total`, { device }, requests.perSecond, shown);
    count(`${prefix}_time_seconds_total`, { device }, requests.perSecond * requests.seconds, shown);
    if (operation !== 'flush')
      count(`${prefix}_bytes_total`, { device }, requests.bytesPerSecond ?? 0, shown);
  }
  if (!shown) return;
  for (const [limit, value] of Object.entries(disk.limits ?? {}))
    put(`libvirt_domain_block_limit_${limit}_per_second`, { device }, value);
  if (disk.job !== undefined) put('libvirt_domain_block_job_active', { device, type: disk.job }, 1);
  if (disk.throttleGroup !== undefined)
    put('libvirt_domain_block_info', { device, throttle_group: disk.throttleGroup }, 1);
}

function countHost(phase: Phase, count: Count, put: Put, shown: boolean): void {
  const { throttled } = phase;
  if (throttled !== undefined) {
    count('libvirt_domain_cpu_throttled_seconds_total', {}, throttled.seconds, shown);
    count(
      'libvirt_domain_cpu_throttled_periods_total',
      {},
      throttled.periods * CPU_PERIODS_PER_SECOND,
      shown,
    );
    count('libvirt_domain_cpu_periods_total', {}, CPU_PERIODS_PER_SECOND, shown);
    if (shown) put('libvirt_domain_cpu_quota_cores', {}, throttled.quotaCores);
  }
  count(
    'libvirt_domain_pressure_waiting_seconds_total',
    { resource: 'memory' },
    phase.hostMemoryPressure,
    shown,
  );
  if (!shown) return;
  put('libvirt_domain_balloon_current_bytes', {}, phase.balloonBytes?.current);
  put('libvirt_domain_balloon_maximum_bytes', {}, phase.balloonBytes?.maximum);
  put('libvirt_domain_process_swap_bytes', {}, phase.processSwapBytes);
  put('libvirt_domain_process_blocked_seconds', {}, phase.processBlockedSeconds);
}

function seriesName(name: string, labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}=${JSON.stringify(value)}`);
  return `${name}{${pairs.join(', ')}}`;
}

/** `state="paused",reason="ioerror"}` to an object. */
function parseLabels(text = ''): Record<string, string> {
  return Object.fromEntries(
    [...text.matchAll(/(\w+)="([^"]*)"/g)].map(([, label = '', value = '']) => [label, value]),
  );
}
