import { readdirSync } from 'node:fs';
import { createYield } from '../concurrency.ts';
import { readSmallFile } from './process-stat.ts';

/** Times of one vCPU by libvirt's field names, in nanoseconds: `time`, `wait`, and `delay` where the kernel counts it. */
export type VcpuFields = ReadonlyMap<string, number>;

/** The threads of one QEMU. */
export interface ThreadSample {
  /** By vCPU number; empty for a process without threads named so, such as one that emulates all vCPUs in one thread. */
  readonly vcpus: ReadonlyMap<number, VcpuFields>;
  /**
   * How long the longest blocked thread has been blocked, in seconds: it was in state D each time that it was looked at, and
   * has not run in between. 0 when none is blocked.
   */
  readonly blockedSeconds: number;
}

export interface ProcessRef {
  readonly pid: number;
  /** State of the main thread. */
  readonly state: string;
}

/** `io`: a thread that reads and writes disks, and can hang with the host's storage. Other threads are not looked at. */
type Role = number | 'io' | undefined;

/** Role of each thread of a process, by thread id; the number of its vCPU for a vCPU's. */
type Roles = Map<string, Role>;

/** A thread in state D. */
interface Blocked {
  /** performance.now() milliseconds at which it was first seen so. */
  readonly since: number;
  /** What changes when the thread runs. */
  readonly progress: string;
}

/** `(CPU 0/KVM) S …`: QEMU names its vCPUs' threads, as libvirt always has it do (`-name …,debug-threads=on`). */
const VCPU_STAT = /\(CPU (\d{1,5})\/(?:KVM|TCG)\) /;
/** The threads of QEMU's thread pool, of io_uring, and I/O threads; `IO mon_iothread` is the monitor's. */
const IO_STAT = /^\d+ \((?:worker|iou-wrk-\d+|IO (?!mon_)[^)]*)\) /;
/** The fields of `stat` after the name count from the third (proc(5)). */
const UTIME = 14 - 3;
const STIME = 15 - 3;
/** USER_HZ is 100 for every architecture's user space. */
const TICK_NANOSECONDS = 1e7;
const MILLISECOND_NANOSECONDS = 1e6;
const RUNNING = 1;
/** Waits without being interruptible: for a device, or for memory that is read from a device (proc(5)). */
const BLOCKED_STATE = 'D';

/** More threads of one QEMU than this are not read: vCPUs' are among the first. */
const MAX_THREADS = 8_192;
/** QEMU's thread pool has 64 threads at most. */
const MAX_IO_THREADS = 64;
/** `sched` is the longest of these files, and its first half has the field that is read. */
const MAX_FILE_BYTES = 8_192;

/**
 * Reads the threads of QEMU processes: the vCPUs' times, as libvirt does for its group vcpu, without the monitor commands that
 * the group sends besides, and how long a thread has been blocked. For the vCPUs of 100 domains of two vCPUs 4 ms, against
 * 50 ms for the group (four calls at a time). The files wait for nothing, so they are read synchronously.
 */
export class QemuThreads {
  readonly #proc: string;
  readonly #buffer = Buffer.allocUnsafeSlow(MAX_FILE_BYTES);
  /** By process id. A thread keeps its name, so each thread's is read once. */
  #roles = new Map<number, Roles>();
  /** By process id and thread id. */
  #blocked = new Map<string, Blocked>();

  constructor(proc: string) {
    this.#proc = proc;
  }

  /** Returns the threads of each process by its id, without those that have ended. `now` is performance.now() milliseconds. */
  async read(processes: readonly ProcessRef[], now: number): Promise<ReadonlyMap<number, ThreadSample>> {
    // `wait_sum` of a thread is counted only while this is on, which it is not by default.
    const countsWait = this.#file('sys/kernel/sched_schedstats')?.trim() === '1';
    const yieldToOthers = createYield();
    const found = new Map<number, ThreadSample>();
    const [knownRoles, knownBlocked] = [this.#roles, this.#blocked];
    const roles = new Map<number, Roles>();
    const blocked = new Map<string, Blocked>();
    for (const { pid, state } of processes) {
      const own = this.#rolesOf(pid, knownRoles.get(pid));
      if (own.size === 0) continue;
      roles.set(pid, own);
      const vcpus = new Map<number, VcpuFields>();
      let blockedSeconds = 0;
      const noteState = (thread: string, threadState: string | undefined): void => {
        if (threadState !== BLOCKED_STATE) return;
        const key = `${pid}/task/${thread}`;
        const progress = this.#progress(key);
        const before = knownBlocked.get(key);
        const since = before?.progress === progress ? before.since : now;
        blocked.set(key, { since, progress });
        blockedSeconds = Math.max(blockedSeconds, (now - since) / 1000);
      };
      noteState(String(pid), state);
      let ioThreads = 0;
      for (const [thread, role] of own) {
        if (role === undefined || (role === 'io' && ++ioThreads > MAX_IO_THREADS)) continue;
        const stat = this.#file(`${pid}/task/${thread}/stat`);
        if (stat === undefined) continue;
        noteState(thread, stateOf(stat));
        if (role === 'io') continue;
        const fields = this.#fields(`${pid}/task/${thread}`, stat, countsWait);
        if (fields !== undefined) vcpus.set(role, fields);
      }
      found.set(pid, { vcpus, blockedSeconds });
      await yieldToOthers();
    }
    this.#roles = roles;
    this.#blocked = blocked;
    return found;
  }

  #rolesOf(pid: number, known: Roles | undefined): Roles {
    const roles: Roles = new Map();
    for (const thread of this.#threads(pid)) {
      if (known?.has(thread) === true) {
        roles.set(thread, known.get(thread));
        continue;
      }
      const stat = this.#file(`${pid}/task/${thread}/stat`);
      if (stat === undefined) continue;
      const number = VCPU_STAT.exec(stat)?.[1];
      if (number !== undefined) roles.set(thread, Number(number));
      else roles.set(thread, IO_STAT.test(stat) ? 'io' : undefined);
    }
    return roles;
  }

  #threads(pid: number): string[] {
    try {
      return readdirSync(`${this.#proc}/${pid}/task`).slice(0, MAX_THREADS);
    } catch {
      return []; // the process ended
    }
  }

  #fields(directory: string, stat: string, countsWait: boolean): VcpuFields | undefined {
    // In ticks, as libvirt has it: `schedstat` is finer, and a counter that changed its source would fall by a tick.
    const time = ticks(stat);
    if (time === undefined) return undefined;
    const wait = countsWait ? waitMilliseconds(this.#file(`${directory}/sched`)) : 0;
    const fields = new Map([
      ['state', RUNNING],
      ['time', time * TICK_NANOSECONDS],
      ['wait', wait * MILLISECOND_NANOSECONDS],
    ]);
    // The second field: time ready to run, in nanoseconds (Documentation/scheduler/sched-stats.rst).
    const delay = Number(this.#file(`${directory}/schedstat`)?.split(' ', 2)[1]);
    if (Number.isFinite(delay)) fields.set('delay', delay);
    return fields;
  }

  /** `schedstat` counts how often the thread ran; its CPU time, where the kernel lacks the file, has a hundredth of a second. */
  #progress(directory: string): string {
    return (
      this.#file(`${directory}/schedstat`)?.trim() ?? String(ticks(this.#file(`${directory}/stat`)) ?? '')
    );
  }

  #file(path: string): string | undefined {
    return readSmallFile(`${this.#proc}/${path}`, this.#buffer);
  }
}

function stateOf(stat: string): string | undefined {
  return stat[stat.lastIndexOf(')') + 2];
}

/** Processor time by the text of `stat`. */
function ticks(stat: string | undefined): number | undefined {
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ', STIME + 1);
  const sum = Number(fields?.[UTIME]) + Number(fields?.[STIME]);
  return Number.isFinite(sum) ? sum : undefined;
}

/**
 * `wait_sum : 12.345678`, before Linux 5.16 `se.statistics.wait_sum`; 0 where the kernel does not count it, as libvirt
 * reports it (qemuGetSchedInfo, which knows the older names only and reports 0 on newer kernels in any case).
 */
function waitMilliseconds(sched: string | undefined): number {
  const wait = Number(/^(?:se\.(?:statistics\.)?)?wait_sum\s*:\s*([\d.]+)$/m.exec(sched ?? '')?.[1]);
  return Number.isFinite(wait) ? wait : 0;
}
