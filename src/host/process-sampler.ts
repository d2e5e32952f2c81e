import { readdirSync } from 'node:fs';
import { createYield } from '../concurrency.ts';
import { type CpuQuota, DomainCpuQuota } from './cpu-quota.ts';
import { type CpuTimes, readCpuTimes } from './cpu-times.ts';
import { type DomainCgroups, findDomainCgroups } from './domain-cgroup.ts';
import { addIncrease, type MonotonicSum } from './monotonic-sum.ts';
import { PRESSURE_RESOURCES, type PressureResource, type PressureTotals, parsePressure } from './pressure.ts';
import { readProcessStat, readSmallFile } from './process-stat.ts';
import { readProcessStatus } from './process-status.ts';
import type { QemuProcess } from './qemu-process.ts';

/** What is read of each process; each kind costs a domain one to three small files. */
export const PROCESS_KINDS = ['process', 'throttle', 'pressure'] as const;
export type ProcessKind = (typeof PROCESS_KINDS)[number];

/** One QEMU process and its cgroup at one moment. */
export interface ProcessSample {
  /** State of the main thread, as {@link import('./process-stat.ts').ProcessStat.state}. */
  readonly state: string;
  /** Undefined where only libvirt can read the processor time. */
  readonly cpu: CpuTimes | undefined;
  /** See {@link import('./process-status.ts').ProcessStatus}. */
  readonly residentBytes: number | undefined;
  readonly swapBytes: number | undefined;
  /** Undefined for a domain that had no quota in this run. */
  readonly quota: CpuQuota | undefined;
  /** Pressure of the domain's cgroup; a resource that cannot be read is missing. */
  readonly pressure: ReadonlyMap<PressureResource, PressureTotals>;
}

export interface SampleOptions {
  readonly kinds: ReadonlySet<ProcessKind>;
  /** Pressure of the whole host, read a moment ago. */
  readonly hostPressure: ReadonlyMap<PressureResource, PressureTotals>;
}

/** Counters of one resource's pressure, which go on when the cgroup is made anew. */
interface Pressure {
  /** The host's total before these were read. */
  readonly hostTotal: number | undefined;
  readonly some: MonotonicSum | undefined;
  readonly full: MonotonicSum | undefined;
}

/** What is kept of a process between two samples. */
interface ProcessState {
  readonly pid: number;
  readonly cgroups: DomainCgroups;
  readonly quota: DomainCpuQuota | undefined;
  readonly pressure: Map<PressureResource, Pressure>;
}

/** `status` and `stat` have some kilobytes at most, of which the fields that are read are in the first. */
const MAX_FILE_BYTES = 4_096;
const NONE: ReadonlyMap<PressureResource, PressureTotals> = new Map();

/** Reads QEMU processes and their cgroups from files that wait for nothing, so they are read synchronously. */
export class ProcessSampler {
  readonly #proc: string;
  readonly #cgroupRoot: string;
  readonly #buffer = Buffer.allocUnsafeSlow(MAX_FILE_BYTES);
  /** By the domain's uuid. */
  readonly #states = new Map<string, ProcessState>();

  constructor(paths: { readonly proc: string; readonly cgroups: string }) {
    this.#proc = paths.proc;
    this.#cgroupRoot = paths.cgroups;
  }

  /** Samples of the processes that can be seen, by the domain's uuid. Forgets the domains that are not among them. */
  async sample(
    processes: ReadonlyMap<string, QemuProcess>,
    options: SampleOptions,
  ): Promise<ReadonlyMap<string, ProcessSample>> {
    const samples = new Map<string, ProcessSample>();
    const yieldToOthers = createYield();
    for (const [uuid, process] of processes) {
      const sample = this.#sample(uuid, process, options);
      if (sample !== undefined) samples.set(uuid, sample);
      await yieldToOthers();
    }
    for (const uuid of this.#states.keys()) if (!processes.has(uuid)) this.#states.delete(uuid);
    return samples;
  }

  /** libvirt changed the domain's CPU quota: it is read again for the next sample. */
  quotaChanged(uuid: string): void {
    this.#states.get(uuid)?.quota?.lookAgain();
  }

  #sample(
    uuid: string,
    { pid, cpuSource }: QemuProcess,
    { kinds, hostPressure }: SampleOptions,
  ): ProcessSample | undefined {
    const status = kinds.has('process') ? readProcessStatus(this.#proc, pid, this.#buffer) : undefined;
    // `status` has the state as well, so `stat` is read only where one of its other fields is needed.
    const needsStat = status === undefined || cpuSource?.kind === 'process';
    const stat = needsStat ? readProcessStat(this.#proc, pid, this.#buffer) : undefined;
    const state = status?.state ?? stat?.state;
    if (state === undefined) return undefined;
    const needsCgroup = kinds.has('throttle') || kinds.has('pressure');
    const kept = needsCgroup ? this.#stateOf(uuid, pid) : undefined;
    return {
      state,
      cpu: cpuSource === undefined ? undefined : readCpuTimes(cpuSource, stat, this.#buffer),
      residentBytes: status?.residentBytes,
      swapBytes: status?.swapBytes,
      quota: kinds.has('throttle') ? kept?.quota?.sample(performance.now()) : undefined,
      pressure: kept !== undefined && kinds.has('pressure') ? this.#pressure(kept, hostPressure) : NONE,
    };
  }

  /** Kept for as long as the process is the domain's, also when the daemon is restarted. */
  #stateOf(uuid: string, pid: number): ProcessState {
    const known = this.#states.get(uuid);
    if (known?.pid === pid) return known;
    const text = this.#file(`${this.#proc}/${pid}/cgroup`) ?? '';
    const cgroups = findDomainCgroups(text, this.#cgroupRoot);
    const files = { read: (path: string) => this.#file(path), list: listDirectory };
    const quota = cgroups.cpu === undefined ? undefined : new DomainCpuQuota(cgroups.cpu, files);
    const state = { pid, cgroups, quota, pressure: new Map() };
    this.#states.set(uuid, state);
    return state;
  }

  #pressure(
    { cgroups, pressure }: ProcessState,
    hostPressure: SampleOptions['hostPressure'],
  ): ReadonlyMap<PressureResource, PressureTotals> {
    const totals = new Map<PressureResource, PressureTotals>();
    if (cgroups.pressure === undefined) return totals;
    for (const resource of PRESSURE_RESOURCES) {
      const host = hostPressure.get(resource);
      // Without the host's, the kernel has no PSI.
      if (host === undefined) continue;
      const before = pressure.get(resource);
      const now = hasGrown(before, host)
        ? this.#readPressure(cgroups.pressure, resource, before, host)
        : before;
      if (now === undefined) continue;
      pressure.set(resource, now);
      totals.set(resource, { some: now.some?.sum, full: now.full?.sum });
    }
    return totals;
  }

  #readPressure(
    directory: string,
    resource: PressureResource,
    before: Pressure | undefined,
    host: PressureTotals,
  ): Pressure | undefined {
    const text = this.#file(`${directory}/${resource}.pressure`);
    if (text === undefined) return undefined;
    const { some, full } = parsePressure(text);
    return {
      hostTotal: host.some,
      some: some === undefined ? before?.some : addIncrease(before?.some, some),
      full: full === undefined ? before?.full : addIncrease(before?.full, full),
    };
  }

  #file(path: string): string | undefined {
    return readSmallFile(path, this.#buffer);
  }
}

/** A task of a cgroup that waits is a task of the host that waits: the domain's file is read only when the host's has grown. */
function hasGrown(before: Pressure | undefined, host: PressureTotals): boolean {
  return before === undefined || host.some === undefined || before.hostTotal !== host.some;
}

function listDirectory(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch {
    return []; // the domain has stopped
  }
}
