import type { CpuCgroup } from './domain-cgroup.ts';
import { addIncrease, type MonotonicSum } from './monotonic-sum.ts';

/** The CPU quotas that apply to a domain, and how often its threads used them up. */
export interface CpuQuota {
  /** CPU time per second that the domain's vCPUs may use together; undefined when no quota limits the vCPUs now. */
  readonly cores: number | undefined;
  /** Periods of all groups with a quota in which the group ran. */
  readonly periods: number | undefined;
  /** Those of the periods in which the group used up its quota. */
  readonly throttledPeriods: number | undefined;
  /** Time that the domain's groups waited for their next period, summed over CPUs. */
  readonly throttledSeconds: number | undefined;
}

/** Reads files of a cgroup; both return nothing for what cannot be read. */
export interface CgroupFiles {
  readonly read: (path: string) => string | undefined;
  readonly list: (directory: string) => readonly string[];
}

/** libvirt announces its changes of quotas; others, such as `systemctl set-property`, are found after this time. */
const LOOK_AGAIN_MS = 60_000;
/** More groups below a domain's than this are not looked at; QEMU has at most 4,096 vCPUs. */
const MAX_GROUPS = 8_192;
/** libvirt's groups below the domain's: vCPUs, I/O threads, and the rest of QEMU. */
const THREAD_GROUP = /^(vcpu|iothread|emulator)\d{0,5}$/;

type Kind = 'whole' | 'above' | 'vcpu' | 'iothread' | 'emulator';

interface Group {
  readonly kind: Kind;
  /** Undefined when the group has no quota any more. */
  cores: number | undefined;
  readonly counters: Map<Counter, MonotonicSum>;
}

type Counter = 'periods' | 'throttledPeriods' | 'throttledTime';

/** Names of the counters in `cpu.stat`, by version; the time is in nanoseconds in version 1, in microseconds in version 2. */
const FIELDS: Readonly<Record<1 | 2, readonly (readonly [Counter, string])[]>> = {
  1: [
    ['periods', 'nr_periods'],
    ['throttledPeriods', 'nr_throttled'],
    ['throttledTime', 'throttled_time'],
  ],
  2: [
    ['periods', 'nr_periods'],
    ['throttledPeriods', 'nr_throttled'],
    ['throttledTime', 'throttled_usec'],
  ],
};
const SECONDS = { 1: 1e-9, 2: 1e-6 } as const;

/**
 * Reads the CPU quota of one run. libvirt sets `vcpu_quota` on the group of each vCPU, `global_quota` on the domain's group
 * (with systemd on the group `libvirt` below it), `emulator_quota` and `iothread_quota` on groups of their own; systemd sets
 * `CPUQuota=` on the domain's group or on one above (libvirt: src/util/vircgroup.c, src/hypervisor/domain_cgroup.c). The
 * groups with a quota are found once a minute; a scrape reads `cpu.stat` of those only.
 */
export class DomainCpuQuota {
  readonly #cgroup: CpuCgroup;
  readonly #files: CgroupFiles;
  /** Groups that have or had a quota in this run, by directory. */
  readonly #groups = new Map<string, Group>();
  #vcpus = 0;
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(cgroup: CpuCgroup, files: CgroupFiles) {
    this.#cgroup = cgroup;
    this.#files = files;
  }

  /** The quotas may have changed: they are read again for the next sample. */
  lookAgain(): void {
    this.#lookedAt = Number.NEGATIVE_INFINITY;
  }

  /** `now` is performance.now() milliseconds. Undefined for a domain that had no quota in this run. */
  sample(now: number): CpuQuota | undefined {
    if (now - this.#lookedAt > LOOK_AGAIN_MS) {
      this.#lookedAt = now;
      this.#look();
    }
    if (this.#groups.size === 0) return undefined;
    for (const [directory, group] of this.#groups) this.#readCounters(directory, group);
    const throttled = this.#sum('throttledTime');
    return {
      cores: this.#cores(),
      periods: this.#sum('periods'),
      throttledPeriods: this.#sum('throttledPeriods'),
      throttledSeconds: throttled && throttled * SECONDS[this.#cgroup.version],
    };
  }

  #look(): void {
    for (const group of this.#groups.values()) group.cores = undefined;
    const { directory, above } = this.#cgroup;
    const children = this.#files.list(directory);
    const isNested = children.includes('libvirt');
    const parent = isNested ? `${directory}/libvirt` : directory;
    for (const path of above) this.#lookAt(path, 'above');
    this.#lookAt(directory, 'whole');
    if (isNested) this.#lookAt(parent, 'whole');
    const groups = (isNested ? this.#files.list(parent) : children).slice(0, MAX_GROUPS);
    this.#vcpus = groups.filter((name) => name.startsWith('vcpu')).length;
    for (const kind of ['vcpu', 'iothread', 'emulator'] as const) {
      const ofKind = groups.filter((name) => THREAD_GROUP.exec(name)?.[1] === kind);
      // libvirt gives all groups of a kind the same quota, so those of a kind without a quota cost one read.
      const [first] = ofKind;
      if (first === undefined || !this.#lookAt(`${parent}/${first}`, kind)) continue;
      for (const name of ofKind.slice(1)) this.#lookAt(`${parent}/${name}`, kind);
    }
  }

  /** Returns whether the group has a quota. */
  #lookAt(directory: string, kind: Kind): boolean {
    const cores = this.#quota(directory);
    const group = this.#groups.get(directory);
    if (group !== undefined) group.cores = cores;
    else if (cores !== undefined) this.#groups.set(directory, { kind, cores, counters: new Map() });
    return cores !== undefined;
  }

  /** CPU time per second that the group may use. */
  #quota(directory: string): number | undefined {
    const { read } = this.#files;
    if (this.#cgroup.version === 2) {
      // `20000 100000`, or `max 100000` (Linux: Documentation/admin-guide/cgroup-v2.rst).
      const [quota, period] = (read(`${directory}/cpu.max`) ?? '').trim().split(' ');
      return cores(quota, period);
    }
    // -1 without a quota (Linux: Documentation/scheduler/sched-bwc.rst).
    const quota = read(`${directory}/cpu.cfs_quota_us`)?.trim();
    return Number(quota) > 0 ? cores(quota, read(`${directory}/cpu.cfs_period_us`)?.trim()) : undefined;
  }

  #readCounters(directory: string, { counters }: Group): void {
    const text = this.#files.read(`${directory}/cpu.stat`);
    if (text === undefined) return;
    for (const [counter, field] of FIELDS[this.#cgroup.version]) {
      const value = count(text, field);
      if (value !== undefined) counters.set(counter, addIncrease(counters.get(counter), value));
    }
  }

  /** A group that was removed, such as that of an unplugged vCPU, still counts. */
  #sum(counter: Counter): number | undefined {
    let total: number | undefined;
    for (const { kind, counters } of this.#groups.values()) {
      const sum = counters.get(counter)?.sum;
      // The time of a group above is that of all domains in it.
      if (sum === undefined || (counter === 'throttledTime' && kind === 'above')) continue;
      total = (total ?? 0) + sum;
    }
    return total;
  }

  #cores(): number | undefined {
    const limits: number[] = [];
    let limitedVcpus = 0;
    let ofLimitedVcpus = 0;
    for (const { kind, cores } of this.#groups.values()) {
      if (cores === undefined) continue;
      if (kind === 'whole' || kind === 'above') limits.push(cores);
      if (kind !== 'vcpu') continue;
      limitedVcpus += 1;
      // A vCPU uses one CPU at most.
      ofLimitedVcpus += Math.min(1, cores);
    }
    if (limitedVcpus > 0) limits.push(this.#vcpus - limitedVcpus + ofLimitedVcpus);
    return limits.length === 0 ? undefined : Math.min(...limits);
  }
}

function cores(quota: string | undefined, period: string | undefined): number | undefined {
  const value = Number(quota) / Number(period);
  return Number.isFinite(value) && value > 0 ? value : undefined;
}

function count(text: string, name: string): number | undefined {
  const value = new RegExp(`^${name} (\\d{1,20})$`, 'm').exec(text)?.[1];
  return value === undefined ? undefined : Number(value);
}
