import type { CallResult } from '../daemon/call-pool.ts';
import { domainRunId, keepOnlyRuns } from '../daemon/domain-run-id.ts';
import type { StatisticsClient } from '../daemon/statistics-client.ts';
import type { CpuTimes } from '../host/cpu-times.ts';
import { LibvirtServerError } from '../libvirt/errors.ts';
import type { DomainRef, TypedValue } from '../libvirt/types.ts';
import { isGoneError, Tally } from './rounds.ts';

/** VIR_ERR_NO_SUPPORT, VIR_ERR_OPERATION_INVALID, VIR_ERR_OPERATION_UNSUPPORTED: no cgroup counts the CPU time. */
const NO_CGROUP: ReadonlySet<number> = new Set([3, 55, 84]);

export interface CpuResult {
  /** By {@link domainRunId}. */
  readonly times: ReadonlyMap<string, CpuTimes>;
  /** The first call's error, when no call succeeded. */
  readonly failure: unknown;
}

/** Reads processor times from libvirt, for running domains whose processes or cgroups the exporter cannot see. */
export class CpuReader {
  readonly #client: StatisticsClient;
  /**
   * The source of each run's processor time. A run keeps its source: a cgroup also counts kernel work for the domain, so the
   * counter would jump if its source changed.
   */
  readonly #sources = new Map<string, 'cgroup' | 'process'>();

  constructor(client: StatisticsClient) {
    this.#client = client;
  }

  /** Never throws. Domains that are not read by `deadline` (the clock's milliseconds) are missing. */
  async read(running: readonly DomainRef[], deadline: number): Promise<CpuResult> {
    const times = new Map<string, CpuTimes>();
    const tally = new Tally();
    await Promise.all(
      running.map(async (domain) => {
        try {
          const result = await this.#read(domain, deadline);
          if (result.status === 'answered' && result.value !== undefined) {
            times.set(domainRunId(domain), result.value);
            tally.succeeded();
          }
        } catch (error) {
          if (!isGoneError(error)) tally.failed(error);
        }
      }),
    );
    return { times, failure: tally.failure };
  }

  /** Forgets all runs but these. */
  keepOnly(runs: ReadonlySet<string>): void {
    keepOnlyRuns(this.#sources, runs);
  }

  async #read(domain: DomainRef, deadline: number): Promise<CallResult<CpuTimes | undefined>> {
    const run = domainRunId(domain);
    const source = this.#sources.get(run);
    if (source !== 'process') {
      const result = await this.#client.cgroupCpuTimes(domain, deadline).catch((error: unknown) => {
        if (source === 'cgroup' || !isWithoutCgroup(error)) throw error;
        return undefined;
      });
      if (result !== undefined && result.status !== 'answered') return result;
      const value = result === undefined ? undefined : cgroupTimes(result.value);
      if (value !== undefined) this.#sources.set(run, 'cgroup');
      if (value !== undefined || source === 'cgroup') return { status: 'answered', value };
    }
    const result = await this.#client.processCpuTimes(domain, deadline);
    if (result.status !== 'answered') return result;
    this.#sources.set(run, 'process');
    const total = Number(result.value.cpuTime) / 1e9;
    return { status: 'answered', value: { total, user: undefined, system: undefined } };
  }
}

/** Other errors may be temporary, and a run never changes its source. */
function isWithoutCgroup(error: unknown): boolean {
  return error instanceof LibvirtServerError && NO_CGROUP.has(error.number);
}

function cgroupTimes(params: ReadonlyMap<string, TypedValue>): CpuTimes | undefined {
  const seconds = (name: string): number | undefined => {
    const nanoseconds = params.get(name);
    return nanoseconds === undefined ? undefined : Number(nanoseconds) / 1e9;
  };
  const total = seconds('cpu_time');
  if (total === undefined) return undefined;
  return { total, user: seconds('user_time'), system: seconds('system_time') };
}
