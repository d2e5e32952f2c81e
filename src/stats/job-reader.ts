import { domainRunId } from '../daemon/domain-run-id.ts';
import type { StatisticsClient, StatsTerms } from '../daemon/statistics-client.ts';
import type { DomainRef, TypedValue } from '../libvirt/types.ts';
import { saysItIsGone } from './readings.ts';

/**
 * libvirt announces the end of a job and not its start. Reading every domain in every scrape would be half of all calls, for
 * something that is seldom there and takes seconds to hours.
 */
const LOOK_AGAIN_MS = 10_000;
/** virDomainJobType. */
const NO_JOB = 0;

export interface DomainJob {
  /** Progress by VIR_DOMAIN_JOB_* names. */
  readonly params: ReadonlyMap<string, TypedValue>;
}

interface Known {
  readonly job: DomainJob | 'none';
  /** performance.now() milliseconds. */
  readonly readAt: number;
  /** The last result stands for one that could not be read. */
  readonly isCarriedOver?: boolean;
}

/** `unknown`: the monitor is occupied or does not respond, and nothing is known from before. */
export type JobResult =
  | { readonly status: 'read'; readonly job: DomainJob | 'none' }
  | { readonly status: 'unknown' | 'gone' }
  | { readonly status: 'failed'; readonly error: unknown };

/** Reads the jobs of running domains: those under way each time, the others every ten seconds. */
export class JobReader {
  readonly #client: StatisticsClient;
  readonly #known = new Map<string, Known>();

  constructor(client: StatisticsClient) {
    this.#client = client;
  }

  /** Reads a domain's job. `isUnresponsive`: its QEMU does not respond, so libvirt is not called. Never throws. */
  async read(domain: DomainRef, terms: StatsTerms, isUnresponsive: boolean): Promise<JobResult> {
    const run = domainRunId(domain);
    const before = this.#known.get(run);
    if (before?.job === 'none' && performance.now() - before.readAt < LOOK_AGAIN_MS)
      return { status: 'read', job: 'none' };
    try {
      const job = isUnresponsive ? undefined : await this.#job(domain, terms);
      if (job === 'unsent') return { status: 'unknown' };
      const known = job === undefined ? this.#carryOver(run, before) : { job, readAt: performance.now() };
      if (known === undefined) {
        this.#known.delete(run);
        return { status: 'unknown' };
      }
      this.#known.set(run, known);
      return { status: 'read', job: known.job };
    } catch (error) {
      this.#known.delete(run);
      return saysItIsGone(error) ? { status: 'gone' } : { status: 'failed', error };
    }
  }

  /** Forgets the runs that are over. */
  keepOnly(running: readonly DomainRef[]): void {
    if (this.#known.size <= running.length) return;
    const runs = new Set(running.map(domainRunId));
    for (const run of this.#known.keys()) if (!runs.has(run)) this.#known.delete(run);
  }

  /**
   * Undefined while the domain's monitor is occupied, `unsent` when no time was left: GET_JOB_STATS would wait for it then, and GET_CONTROL_INFO never waits.
   * (That a job runs the latter does not say: it names an asynchronous job, such as a backup, only while another call is at
   * work on the domain.)
   */
  async #job(domain: DomainRef, terms: StatsTerms): Promise<DomainJob | 'none' | 'unsent' | undefined> {
    const control = await this.#client.controlInfo(domain, terms.deadline);
    if (control.status === 'unsent') return 'unsent';
    if (control.status !== 'answered' || control.value.isOccupied) return undefined;
    const result = await this.#client.jobStats(domain, terms);
    if (result.status === 'unsent') return 'unsent';
    if (result.status !== 'answered') return undefined;
    return result.value.type === NO_JOB ? 'none' : { params: result.value.params };
  }

  /** The exporter's own calls can occupy the monitor, too: the last result stands for one reading more. */
  #carryOver(run: string, before: Known | undefined): Known | undefined {
    const latest = this.#known.get(run);
    if (latest !== before) return latest;
    if (latest === undefined || latest.isCarriedOver === true) return undefined;
    return { ...latest, isCarriedOver: true };
  }
}
