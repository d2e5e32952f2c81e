import { join } from 'node:path';
import { machineCgroup, parseHierarchies, unifiedCgroup } from './domain-cgroup.ts';
import type { ProcessStat } from './process-stat.ts';
import { readSmallFile } from './process-stat.ts';

/** Processor time of a domain since its start, in seconds. */
export interface CpuTimes {
  readonly total: number;
  /** Undefined where only the total is known. */
  readonly user: number | undefined;
  readonly system: number | undefined;
}

/**
 * The source of a run's processor time. A run keeps its source: a cgroup also counts kernel work for the domain, so the
 * counter would jump if its source changed.
 */
export type CpuSource =
  /** Directory of the domain's cgroup, version 2. */
  | { readonly kind: 'cgroup2'; readonly directory: string }
  /** Directory of the domain's cgroup in the hierarchy cpuacct, version 1. */
  | { readonly kind: 'cpuacct'; readonly directory: string }
  /** libvirt made no cgroup for the domain. */
  | { readonly kind: 'process' };

const MICROSECONDS = 1e-6;
const NANOSECONDS = 1e-9;
/** USER_HZ, see proc(5). */
const TICK_SECONDS = 0.01;

/**
 * Finds the domain's cgroup in the text of its process's `/proc/PID/cgroup`. Like libvirt, prefers version 2 where both
 * versions count. Returns undefined when a path leads out of the exporter's cgroup namespace: then only libvirt can read the
 * processor time.
 */
export function findCpuSource(cgroupText: string, cgroupRoot: string): CpuSource | undefined {
  const hierarchies = parseHierarchies(cgroupText);
  if (hierarchies.length === 0) return undefined;
  const unified = unifiedCgroup(hierarchies);
  if (unified !== undefined)
    return { kind: 'cgroup2', directory: join(cgroupRoot, unified.mount, unified.machine) };
  const cpuacct = hierarchies.find(({ controllers }) => controllers.split(',').includes('cpuacct'));
  const machine = cpuacct && machineCgroup(cpuacct.path);
  return cpuacct === undefined || machine === undefined
    ? { kind: 'process' }
    : { kind: 'cpuacct', directory: join(cgroupRoot, cpuacct.controllers, machine) };
}

/** Reads the processor time; undefined when its source cannot be read now. `stat` is needed for kind `process` only. */
export function readCpuTimes(
  source: CpuSource,
  stat: ProcessStat | undefined,
  buffer: Buffer,
): CpuTimes | undefined {
  switch (source.kind) {
    case 'process': {
      if (stat === undefined) return undefined;
      const { userSeconds, systemSeconds } = stat;
      return { total: userSeconds + systemSeconds, user: userSeconds, system: systemSeconds };
    }
    case 'cgroup2': {
      const text = readSmallFile(`${source.directory}/cpu.stat`, buffer);
      const total = field(text, 'usage_usec', MICROSECONDS);
      if (total === undefined) return undefined;
      const [user, system] = [
        field(text, 'user_usec', MICROSECONDS),
        field(text, 'system_usec', MICROSECONDS),
      ];
      return { total, user, system };
    }
    case 'cpuacct': {
      const usage = Number(readSmallFile(`${source.directory}/cpuacct.usage`, buffer)?.trim() || Number.NaN);
      if (!Number.isFinite(usage)) return undefined;
      const text = readSmallFile(`${source.directory}/cpuacct.stat`, buffer);
      const [user, system] = [field(text, 'user', TICK_SECONDS), field(text, 'system', TICK_SECONDS)];
      return { total: usage * NANOSECONDS, user, system };
    }
  }
}

function field(text: string | undefined, name: string, unit: number): number | undefined {
  const value = new RegExp(`^${name} (\\d+)$`, 'm').exec(text ?? '')?.[1];
  return value === undefined ? undefined : Number(value) * unit;
}
