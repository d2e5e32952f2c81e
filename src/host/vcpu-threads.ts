import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createYield } from '../concurrency.ts';
import { readSmallFile } from './process-stat.ts';

/** Times of one vCPU by libvirt's field names, in nanoseconds: `time`, `wait`, and `delay` where the kernel counts it. */
export type VcpuFields = ReadonlyMap<string, number>;

/** `(CPU 0/KVM) S …`: QEMU names its vCPUs' threads, as libvirt always has it do (`-name …,debug-threads=on`). */
const VCPU_STAT = /\(CPU (\d{1,5})\/(?:KVM|TCG)\) /;
/** The fields of `stat` after the name count from the third (proc(5)). */
const UTIME = 14 - 3;
const STIME = 15 - 3;
/** USER_HZ is 100 for every architecture's user space. */
const TICK_NANOSECONDS = 1e7;
const MILLISECOND_NANOSECONDS = 1e6;
const RUNNING = 1;

/** More threads of one QEMU than this are not looked at: vCPUs' are among the first. */
const MAX_THREADS = 8_192;
/** `sched` is the longest of these files, and what is looked for stands in its first half. */
const MAX_FILE_BYTES = 8_192;

/**
 * Reads the vCPUs of QEMU processes by their threads: the files that libvirt reads for its group vcpu, without the words
 * with QEMU's monitor that the group takes besides. For 100 domains of two vCPUs 4 ms, against 50 ms for the group (four
 * calls in flight). Read synchronously, as these files wait for nothing, with pauses for others.
 *
 * Returns vCPUs by number, by process. A process without threads named so (it is gone, or emulates all vCPUs in one
 * thread) is missing.
 */
export async function readVcpuThreads(
  proc: string,
  pids: readonly number[],
): Promise<ReadonlyMap<number, ReadonlyMap<number, VcpuFields>>> {
  const buffer = Buffer.allocUnsafe(MAX_FILE_BYTES);
  const read = (...path: string[]): string | undefined => readSmallFile(join(proc, ...path), buffer);
  // `wait_sum` of a thread is counted only while this is on, which it is not by default: the file need not be read then.
  const countsWait = read('sys/kernel/sched_schedstats')?.trim() === '1';
  const pause = createYield();
  const found = new Map<number, ReadonlyMap<number, VcpuFields>>();
  for (const pid of pids) {
    const vcpus = new Map<number, VcpuFields>();
    for (const thread of listThreads(proc, pid)) {
      const directory = join(String(pid), 'task', thread);
      const stat = read(directory, 'stat');
      const number = stat === undefined ? undefined : VCPU_STAT.exec(stat)?.[1];
      if (stat === undefined || number === undefined) continue;
      const fields = new Map([['state', RUNNING]]);
      set(fields, 'time', ticks(stat) * TICK_NANOSECONDS);
      set(fields, 'delay', Number(read(directory, 'schedstat')?.split(' ')[1]));
      const wait = countsWait ? waitMilliseconds(read(directory, 'sched')) : 0;
      fields.set('wait', wait * MILLISECOND_NANOSECONDS);
      vcpus.set(Number(number), fields);
    }
    if (vcpus.size > 0) found.set(pid, vcpus);
    await pause();
  }
  return found;
}

function listThreads(proc: string, pid: number): string[] {
  try {
    return readdirSync(join(proc, String(pid), 'task')).slice(0, MAX_THREADS);
  } catch {
    return []; // the process ended
  }
}

function ticks(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ', STIME + 1);
  return Number(fields[UTIME]) + Number(fields[STIME]);
}

/**
 * `wait_sum : 12.345678`, before Linux 5.16 `se.statistics.wait_sum`; 0 where the kernel does not count it, as libvirt
 * has it (qemuGetSchedInfo, which knows the older names only and says 0 on newer kernels whatever they count).
 */
function waitMilliseconds(sched: string | undefined): number {
  const wait = Number(/^(?:se\.(?:statistics\.)?)?wait_sum\s*:\s*([\d.]+)$/m.exec(sched ?? '')?.[1]);
  return Number.isFinite(wait) ? wait : 0;
}

function set(fields: Map<string, number>, name: string, value: number): void {
  if (Number.isFinite(value)) fields.set(name, value);
}
