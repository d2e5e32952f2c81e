import { forEachLimited } from '../concurrency.ts';
import type { CpuTimes, DomainJob, StatsClient } from '../libvirt/stats-client.ts';
import type { DomainRef } from '../libvirt/wire-types.ts';
import { CALLS_AT_A_TIME, type PendingCalls } from './pending-calls.ts';
import { runKey } from './run-key.ts';

/** These calls take a tenth of a millisecond and wait for no QEMU. */
const PATIENCE_MS = 1_000;

export interface CheapResults {
  readonly cpu: ReadonlyMap<string, CpuTimes>;
  /** Jobs under way; a domain that is in `jobsKnown` and not in here has none. */
  readonly jobs: ReadonlyMap<string, DomainJob>;
  readonly jobsKnown: ReadonlySet<string>;
}

/**
 * Reads what there is no bulk call for, domain by domain: processor time and jobs. Results by {@link runKey}.
 */
export class CheapReader {
  readonly #calls: PendingCalls;
  /** Domains that a call still waits for. */
  readonly #hung = new Set<string>();
  /**
   * Where a run's processor time comes from. It stays with that run: the sources differ by what the kernel does for a
   * domain, and a counter that changed its source would seem to jump.
   */
  #sources = new Map<string, 'cgroup' | 'process'>();

  constructor(calls: PendingCalls) {
    this.#calls = calls;
  }

  async read(
    running: readonly DomainRef[],
    wanted: { readonly cpu: boolean; readonly job: boolean },
    deadline: number,
  ): Promise<CheapResults> {
    const cpu = new Map<string, CpuTimes>();
    const jobs = new Map<string, DomainJob>();
    const jobsKnown = new Set<string>();
    this.#forgetAllBut(running);
    await forEachLimited(running, CALLS_AT_A_TIME, async (domain) => {
      const key = runKey(domain);
      if (wanted.cpu) {
        const times = await this.#ask(domain, deadline, (client) => this.#cpuTimes(client, domain, key));
        if (times?.value !== undefined) cpu.set(key, times.value);
      }
      if (wanted.job) {
        const job = await this.#ask(domain, deadline, (client) => client.job(domain));
        if (job !== undefined) jobsKnown.add(key);
        if (job?.value !== undefined) jobs.set(key, job.value);
      }
    });
    return { cpu, jobs, jobsKnown };
  }

  async #cpuTimes(client: StatsClient, domain: DomainRef, key: string): Promise<CpuTimes | undefined> {
    const source = this.#sources.get(key);
    if (source !== 'process') {
      const times = await client.cgroupCpuTimes(domain).catch((error: unknown) => {
        if (source === 'cgroup') throw error;
        return undefined;
      });
      if (times !== undefined) {
        this.#sources.set(key, 'cgroup');
        return times;
      }
      if (source === 'cgroup') return undefined;
    }
    const times = await client.processCpuTimes(domain);
    this.#sources.set(key, 'process');
    return times;
  }

  /** Undefined when there is no answer in time; then the domain is left alone until there is one. */
  async #ask<T>(
    domain: DomainRef,
    deadline: number,
    call: (client: StatsClient) => Promise<T>,
  ): Promise<{ readonly value: T } | undefined> {
    const key = runKey(domain);
    const remainingMs = deadline - performance.now();
    if (remainingMs <= 0 || this.#hung.has(key)) return undefined;
    try {
      const answer = await this.#calls.ask(call, Math.min(PATIENCE_MS, remainingMs));
      if (!answer.late) return { value: answer.value };
      this.#hung.add(key);
      const done = (): void => {
        this.#hung.delete(key);
      };
      answer.pending.then(done, done);
    } catch {
      // The domain is gone, libvirt refuses, or the connection is lost: nothing to tell about this domain now.
    }
    return undefined;
  }

  #forgetAllBut(running: readonly DomainRef[]): void {
    if (this.#sources.size <= running.length) return;
    const keys = new Set(running.map(runKey));
    this.#sources = new Map([...this.#sources].filter(([key]) => keys.has(key)));
  }
}
