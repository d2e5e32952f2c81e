import { forEachLimited, settledWithin } from '../concurrency.ts';
import type { CpuTimes, StatsClient } from '../daemon/stats-client.ts';
import { LibvirtServerError } from '../libvirt/errors.ts';
import type { DomainRef } from '../libvirt/types.ts';
import { domainRunId } from './domain-run-id.ts';
import { CALLS_AT_A_TIME } from './pending-calls.ts';
import { type PerDomainCalls, Tally } from './per-domain-calls.ts';

/** VIR_ERR_NO_SUPPORT, VIR_ERR_OPERATION_INVALID, VIR_ERR_OPERATION_UNSUPPORTED: no cgroup that counts. */
const NO_CGROUP: ReadonlySet<number> = new Set([3, 55, 84]);

export interface CpuReading {
  /** By {@link domainRunId}. */
  readonly times: ReadonlyMap<string, CpuTimes>;
  /** Why the first failed, when all calls that were made did. */
  readonly failure: unknown;
}

/** Reads the processor time of running domains, for which there is no cheap bulk call. */
export class CpuReader {
  readonly #calls: PerDomainCalls;
  /**
   * Where a run's processor time comes from. It stays with that run: the sources differ by what the kernel does for a
   * domain, and a counter that changed its source would seem to jump.
   */
  #sources = new Map<string, 'cgroup' | 'process'>();

  constructor(calls: PerDomainCalls) {
    this.#calls = calls;
  }

  async read(running: readonly DomainRef[], deadline: number): Promise<CpuReading> {
    const times = new Map<string, CpuTimes>();
    const tally = new Tally();
    this.#forgetAllBut(running);
    const reading = forEachLimited(running, CALLS_AT_A_TIME, async (domain) => {
      const key = domainRunId(domain);
      const answer = await this.#calls.ask(domain, deadline, (client) => this.#times(client, domain, key));
      tally.add(answer);
      if (typeof answer === 'object' && 'value' in answer && answer.value !== undefined)
        times.set(key, answer.value);
    });
    await settledWithin(reading, Math.max(0, deadline - performance.now()));
    return { times: new Map(times), failure: tally.failure };
  }

  async #times(client: StatsClient, domain: DomainRef, key: string): Promise<CpuTimes | undefined> {
    const source = this.#sources.get(key);
    if (source !== 'process') {
      const times = await client.cgroupCpuTimes(domain).catch((error: unknown) => {
        if (source === 'cgroup' || !saysThereIsNone(error)) throw error;
        return undefined;
      });
      if (times !== undefined) this.#sources.set(key, 'cgroup');
      if (times !== undefined || source === 'cgroup') return times;
    }
    const times = await client.processCpuTimes(domain);
    this.#sources.set(key, 'process');
    return times;
  }

  #forgetAllBut(running: readonly DomainRef[]): void {
    if (this.#sources.size <= running.length) return;
    const keys = new Set(running.map(domainRunId));
    this.#sources = new Map([...this.#sources].filter(([key]) => keys.has(key)));
  }
}

/** Any other error may pass, and the source of a run is chosen for good. */
function saysThereIsNone(error: unknown): boolean {
  return error instanceof LibvirtServerError && NO_CGROUP.has(error.number);
}
