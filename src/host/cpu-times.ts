import { join } from 'node:path';
import type { ProcessStat } from './process-stat.ts';
import { readSmallFile } from './process-stat.ts';

/** Processor time of a domain since its start, in seconds. */
export interface CpuTimes {
  readonly total: number;
  /** Undefined where only the sum is known. */
  readonly user: number | undefined;
  readonly system: number | undefined;
}

/**
 * Where the processor time of a run is read. It stays the same for the run: a cgroup counts what the kernel does for the
 * domain beside its process, and a counter that changed its source would seem to jump.
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
 * Finds the domain's cgroup by the text of its process's `/proc/PID/cgroup`. libvirt names it
 * `machine-qemu\x2d1\x2dNAME.scope` with systemd and `qemu-1-NAME.libvirt-qemu` without, and may move the process into a
 * group below it (libvirt: src/util/vircgroup.c). Like libvirt, prefers version 2 where both count. Undefined where only
 * libvirt can say: the path leads out of this process's own cgroup namespace.
 */
export function findCpuSource(cgroupText: string, cgroupRoot: string): CpuSource | undefined {
  const hierarchies = cgroupText.split('\n').flatMap((line) => {
    const [, id, controllers, path] = /^(\d+):([^:]*):(\/.*)$/.exec(line) ?? [];
    return id === undefined || controllers === undefined || path === undefined
      ? []
      : [{ id, controllers, path }];
  });
  if (hierarchies.length === 0 || hierarchies.some(({ path }) => path.includes('/../'))) return undefined;
  const unified = hierarchies.find(({ id, controllers }) => id === '0' && controllers === '');
  const machine = unified && machineCgroup(unified.path);
  if (machine !== undefined) {
    // Beside hierarchies of version 1, systemd mounts version 2 here.
    const mount = hierarchies.length > 1 ? 'unified' : '';
    return { kind: 'cgroup2', directory: join(cgroupRoot, mount, machine) };
  }
  const cpuacct = hierarchies.find(({ controllers }) => controllers.split(',').includes('cpuacct'));
  const oldMachine = cpuacct && machineCgroup(cpuacct.path);
  return cpuacct === undefined || oldMachine === undefined
    ? { kind: 'process' }
    : { kind: 'cpuacct', directory: join(cgroupRoot, cpuacct.controllers, oldMachine) };
}

/** Reads the processor time; undefined when its source cannot be read now. */
export function readCpuTimes(source: CpuSource, stat: ProcessStat, buffer: Buffer): CpuTimes | undefined {
  switch (source.kind) {
    case 'process': {
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

function machineCgroup(path: string): string | undefined {
  return /^(?:\/.*)?\/(?:machine-qemu\\x2d[^/]*\.scope|[^/]+\.libvirt-[a-z]+)(?=\/|$)/.exec(path)?.[0];
}

function field(text: string | undefined, name: string, unit: number): number | undefined {
  const value = new RegExp(`^${name} (\\d+)$`, 'm').exec(text ?? '')?.[1];
  return value === undefined ? undefined : Number(value) * unit;
}
