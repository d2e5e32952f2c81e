import { domainRunId, keepOnlyRuns } from '../daemon/domain-run-id.ts';
import type { StatisticsClient, StatsTerms } from '../daemon/statistics-client.ts';
import type { DomainRef, TypedValue } from '../libvirt/types.ts';
import { isGoneError } from './rounds.ts';

/**
 * A domain without a job is read again after this time. libvirt has an event for the end of a job, but none for its start.
 * Prometheus rarely scrapes more often; for clients that do, the jobs would be half of all calls.
 */
const RECHECK_MS = 4_000;
/**
 * While an operation such as a start that does not end holds a domain's job lock, libvirt refuses the call after 30 s and logs
 * an error each time. So after a call without an answer in time the next one waits, each time longer.
 */
const FIRST_PAUSE_MS = 10_000;
const PAUSE_FACTOR = 4;
const LONGEST_PAUSE_MS = 3_600_000;
/** virDomainJobType. */
const NO_JOB = 0;

export interface DomainJob {
  /** Progress by VIR_DOMAIN_JOB_* names. */
  readonly params: ReadonlyMap<string, TypedValue>;
}

/** libvirt did not get the domain's job lock in time. Times are milliseconds of the clock. */
interface Refusal {
  readonly until: number;
  readonly pauseMs: number;
}

interface Known {
  readonly job: DomainJob | 'none';
  /** In the clock's milliseconds. */
  readonly readAt: number;
  /** The job could not be read the last time: the result before that is used once more. */
  readonly isCarriedOver?: boolean;
}

/** `unknown`: the monitor is occupied or does not respond, and there is no earlier result. */
export type JobResult =
  | { readonly status: 'read'; readonly job: DomainJob | 'none' }
  | { readonly status: 'unknown' | 'gone' }
  | { readonly status: 'failed'; readonly error: unknown };

/** Reads the jobs of running domains: a domain with a job in each scrape, the others when the last result is four seconds old. */
export class JobReader {
  readonly #client: StatisticsClient;
  readonly #known = new Map<string, Known>();
  readonly #refused = new Map<string, Refusal>();

  constructor(client: StatisticsClient) {
    this.#client = client;
  }

  /** Reads a domain's job; sends no call for a domain that `isUnresponsive`. Never throws. */
  async read(domain: DomainRef, terms: StatsTerms, isUnresponsive: boolean): Promise<JobResult> {
    const { clock } = this.#client;
    const run = domainRunId(domain);
    const before = this.#known.get(run);
    if (before?.job === 'none' && clock.now() - before.readAt < RECHECK_MS)
      return { status: 'read', job: 'none' };
    if (clock.now() < (this.#refused.get(run)?.until ?? 0)) return { status: 'unknown' };
    try {
      const job = isUnresponsive ? undefined : await this.#job(domain, terms);
      if (job === 'unsent') return { status: 'unknown' };
      const known = job === undefined ? this.#carryOver(run, before) : { job, readAt: clock.now() };
      if (known === undefined) {
        this.#known.delete(run);
        return { status: 'unknown' };
      }
      this.#known.set(run, known);
      if (job !== undefined) this.#refused.delete(run);
      return { status: 'read', job: known.job };
    } catch (error) {
      this.#known.delete(run);
      return isGoneError(error) ? { status: 'gone' } : { status: 'failed', error };
    }
  }

  /** Forgets all runs but these. */
  keepOnly(runs: ReadonlySet<string>): void {
    keepOnlyRuns(this.#known, runs);
    keepOnlyRuns(this.#refused, runs);
  }

  #noteRefusal(run: string): void {
    const before = this.#refused.get(run)?.pauseMs;
    const pauseMs = before === undefined ? FIRST_PAUSE_MS : Math.min(LONGEST_PAUSE_MS, PAUSE_FACTOR * before);
    this.#refused.set(run, { until: this.#client.clock.now() + pauseMs, pauseMs });
  }

  /**
   * Returns undefined while the domain's monitor is occupied, because GET_JOB_STATS would wait for the monitor, and `unsent`
   * if no time was left. GET_CONTROL_INFO never waits, but does not show whether a job runs: it names an asynchronous job,
   * such as a backup, only while another call works on the domain.
   */
  async #job(domain: DomainRef, terms: StatsTerms): Promise<DomainJob | 'none' | 'unsent' | undefined> {
    const control = await this.#client.controlInfo(domain, terms.deadline);
    if (control.status === 'unsent') return 'unsent';
    if (control.status !== 'answered' || control.value.isOccupied) return undefined;
    const result = await this.#client.jobStats(domain, terms);
    if (result.status === 'unsent') return 'unsent';
    if (result.status !== 'answered') {
      this.#noteRefusal(domainRunId(domain));
      return undefined;
    }
    return result.value.type === NO_JOB ? 'none' : { params: result.value.params };
  }

  /** The exporter's own calls can also occupy the monitor, so the last result is used once more. */
  #carryOver(run: string, before: Known | undefined): Known | undefined {
    const latest = this.#known.get(run);
    if (latest !== before) return latest;
    if (latest === undefined || latest.isCarriedOver === true) return undefined;
    return { ...latest, isCarriedOver: true };
  }
}
