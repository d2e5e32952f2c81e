import { readdirSync } from 'node:fs';
import { createYield } from '../concurrency.ts';
import { readSmallFile } from './process-stat.ts';

/** Times of one vCPU by libvirt's field names, in nanoseconds: `time`, `wait`, and `delay` where the kernel counts it. */
export type VcpuFields = ReadonlyMap<string, number>;

/** vCPU number of each thread of a process, by thread id; undefined for threads that are no vCPU. */
type ThreadNumbers = Map<string, number | undefined>;

/** `(CPU 0/KVM) S …`: QEMU names its vCPUs' threads, as libvirt always has it do (`-name …,debug-threads=on`). */
const VCPU_STAT = /\(CPU (\d{1,5})\/(?:KVM|TCG)\) /;
/** The fields of `stat` after the name count from the third (proc(5)). */
const UTIME = 14 - 3;
const STIME = 15 - 3;
/** USER_HZ is 100 for every architecture's user space. */
const TICK_NANOSECONDS = 1e7;
const MILLISECOND_NANOSECONDS = 1e6;
const RUNNING = 1;

/** More threads of one QEMU than this are not read: vCPUs' are among the first. */
const MAX_THREADS = 8_192;
/** `sched` is the longest of these files, and its first half has the field that is read. */
const MAX_FILE_BYTES = 8_192;

/**
 * Reads the vCPUs of QEMU processes by their threads, as libvirt does for its group vcpu, without the monitor commands that
 * the group sends besides. For 100 domains of two vCPUs 4 ms, against 50 ms for the group (four calls at a time). The files
 * wait for nothing, so they are read synchronously.
 */
export class VcpuThreads {
  readonly #proc: string;
  readonly #buffer = Buffer.allocUnsafeSlow(MAX_FILE_BYTES);
  /** By process id. A thread keeps its name, so each thread's is read once. */
  #numbers = new Map<number, ThreadNumbers>();

  constructor(proc: string) {
    this.#proc = proc;
  }

  /**
   * Returns vCPUs by number, by process. A process without threads named so (it has ended, or emulates all vCPUs in one
   * thread) is missing.
   */
  async read(pids: readonly number[]): Promise<ReadonlyMap<number, ReadonlyMap<number, VcpuFields>>> {
    // `wait_sum` of a thread is counted only while this is on, which it is not by default.
    const countsWait = this.#file('sys/kernel/sched_schedstats')?.trim() === '1';
    const yieldToOthers = createYield();
    const found = new Map<number, ReadonlyMap<number, VcpuFields>>();
    const known = this.#numbers;
    this.#numbers = new Map();
    for (const pid of pids) {
      const numbers = this.#threadNumbers(pid, known.get(pid));
      this.#numbers.set(pid, numbers);
      const vcpus = new Map<number, VcpuFields>();
      for (const [thread, number] of numbers) {
        const fields = number === undefined ? undefined : this.#fields(pid, thread, countsWait);
        if (number !== undefined && fields !== undefined) vcpus.set(number, fields);
      }
      if (vcpus.size > 0) found.set(pid, vcpus);
      await yieldToOthers();
    }
    return found;
  }

  #threadNumbers(pid: number, known: ThreadNumbers | undefined): ThreadNumbers {
    const numbers: ThreadNumbers = new Map();
    for (const thread of this.#threads(pid)) {
      if (known?.has(thread) === true) {
        numbers.set(thread, known.get(thread));
        continue;
      }
      const stat = this.#file(`${pid}/task/${thread}/stat`);
      if (stat === undefined) continue;
      const number = VCPU_STAT.exec(stat)?.[1];
      numbers.set(thread, number === undefined ? undefined : Number(number));
    }
    return numbers;
  }

  #threads(pid: number): string[] {
    try {
      return readdirSync(`${this.#proc}/${pid}/task`).slice(0, MAX_THREADS);
    } catch {
      return []; // the process ended
    }
  }

  /** Undefined when the thread has ended. */
  #fields(pid: number, thread: string, countsWait: boolean): VcpuFields | undefined {
    const directory = `${pid}/task/${thread}`;
    // In ticks, as libvirt has it: `schedstat` is finer, and a counter that changed its source would fall by a tick.
    const time = ticks(this.#file(`${directory}/stat`));
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

  #file(path: string): string | undefined {
    return readSmallFile(`${this.#proc}/${path}`, this.#buffer);
  }
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
