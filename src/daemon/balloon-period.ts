import type { Logger } from 'pino';
import { LibvirtServerError, ServerErrorNumber } from '../libvirt/errors.ts';
import type { DomainRef } from '../libvirt/types.ts';
import type { Clock } from './clock.ts';
import { domainRunId, keepOnlyRuns } from './domain-run-id.ts';

export interface BalloonPeriodOptions {
  /** Sets the period of a running domain, in seconds; rejects with libvirt's error. */
  readonly set: (domain: DomainRef, seconds: number) => Promise<void>;
  readonly seconds: number;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Time until the next attempt, when a domain was busy or hung, or the read-write socket could not be opened. */
const RETRY_MS = 60_000;

/** Sets the statistics period of running domains, once a run. */
export class BalloonPeriodSetter {
  readonly #options: BalloonPeriodOptions;
  /** Time of each run's next attempt, in the clock's milliseconds; infinite after a final result. */
  readonly #nextTry = new Map<string, number>();
  #isWorking = false;
  #isRefusalLogged = false;
  #retryAt = Number.NEGATIVE_INFINITY;

  constructor(options: BalloonPeriodOptions) {
    this.#options = options;
  }

  /** libvirt may have been restarted: the same run number can mean another run. */
  forget(): void {
    this.#nextTry.clear();
  }

  /** Forgets all runs but these. */
  keepOnly(runs: ReadonlySet<string>): void {
    keepOnlyRuns(this.#nextTry, runs);
  }

  /**
   * Sets the period of those domains that have had no attempt in their run; returns the domains where this succeeded. Never
   * throws: without a read-write connection, one warning is logged, and the next attempt is a minute later.
   */
  async apply(domains: readonly DomainRef[]): Promise<DomainRef[]> {
    const now = this.#options.clock.now();
    const untried = domains.filter((domain) => (this.#nextTry.get(domainRunId(domain)) ?? now) <= now);
    if (this.#isWorking || untried.length === 0 || now < this.#retryAt) return [];
    this.#isWorking = true;
    try {
      return await this.#setEach(untried);
    } finally {
      this.#isWorking = false;
    }
  }

  async #setEach(domains: readonly DomainRef[]): Promise<DomainRef[]> {
    const { set, seconds, log } = this.#options;
    const succeeded: DomainRef[] = [];
    for (const { name, uuid, id } of domains) {
      const domain = { name, uuid, id };
      try {
        await set(domain, seconds);
        this.#isRefusalLogged = false;
        this.#nextTry.set(domainRunId(domain), Number.POSITIVE_INFINITY);
        succeeded.push(domain);
        log.info({ domain: name, seconds }, 'set the balloon statistics period until the domain stops');
      } catch (error) {
        if (!hasReachedDomain(error)) {
          this.#refused(error);
          break;
        }
        this.#failed(domain, error);
      }
    }
    return succeeded;
  }

  #refused(error: unknown): void {
    this.#retryAt = this.#options.clock.now() + RETRY_MS;
    if (!this.#isRefusalLogged)
      this.#options.log.warn(
        { err: error },
        'the read-write socket cannot be opened: balloon statistics periods are not set',
      );
    this.#isRefusalLogged = true;
  }

  #failed(domain: DomainRef, error: unknown): void {
    const run = domainRunId(domain);
    if (!this.#nextTry.has(run)) {
      this.#options.log.warn(
        { domain: domain.name, err: error },
        'the balloon statistics period of this domain cannot be set: its balloon statistics are not updated',
      );
    }
    const isFinal =
      error instanceof LibvirtServerError && error.number !== ServerErrorNumber.operationTimeout;
    this.#nextTry.set(run, isFinal ? Number.POSITIVE_INFINITY : this.#options.clock.now() + RETRY_MS);
  }
}

/** Whether the error concerns this domain: libvirt refused the call or did not answer. Other errors concern all domains. */
function hasReachedDomain(error: unknown): boolean {
  if (error instanceof LibvirtServerError) return true;
  return error instanceof Error && 'code' in error && error.code === 'ERR_LIBVIRT_TIMEOUT';
}
