import { domainRunId, keepOnlyRuns } from '../daemon/domain-run-id.ts';
import type { StatsTerms } from '../daemon/statistics-client.ts';
import { isNoDomain, LibvirtServerError, ServerErrorNumber } from '../libvirt/errors.ts';
import type { DomainRef } from '../libvirt/types.ts';

/** Counts the rounds of statistics calls, one for each snapshot, and records in which round each run last answered. */
export class StatsRounds {
  #count = 0;
  readonly #answeredIn = new Map<string, number>();

  /** Begins a round and returns its number. */
  begin(): number {
    this.#count += 1;
    return this.#count;
  }

  /** The terms of this round's calls for a domain. */
  terms(round: number, domain: DomainRef, deadline: number): StatsTerms {
    const run = domainRunId(domain);
    const hasAnsweredSince = (since: number): boolean => (this.#answeredIn.get(run) ?? 0) >= since;
    return { round, deadline, hasAnsweredSince };
  }

  answered(round: number, domain: DomainRef): void {
    this.#answeredIn.set(domainRunId(domain), round);
  }

  /** Forgets all runs but these. */
  keepOnly(runs: ReadonlySet<string>): void {
    keepOnlyRuns(this.#answeredIn, runs);
  }
}

/** Whether all calls of one kind failed in one round, and the first error. Unanswered and unsent calls do not count. */
export class Tally {
  #hasSucceeded = false;
  #error: unknown;

  succeeded(): void {
    this.#hasSucceeded = true;
  }

  failed(error: unknown): void {
    this.#error ??= error;
  }

  get hasSucceeded(): boolean {
    return this.#hasSucceeded;
  }

  /** The first error; undefined when a call succeeded, or none failed. */
  get failure(): unknown {
    return this.#hasSucceeded ? undefined : this.#error;
  }
}

/** Whether an error means that the domain does not run any more, which is no failure. */
export function isGoneError(error: unknown): boolean {
  const isNotRunning =
    error instanceof LibvirtServerError && error.number === ServerErrorNumber.operationInvalid;
  return isNotRunning || isNoDomain(error);
}
