import { domainRunId } from '../daemon/domain-run-id.ts';
import type { StatsTerms } from '../daemon/statistics-client.ts';
import { isNoDomain, LibvirtServerError, ServerErrorNumber } from '../libvirt/errors.ts';
import type { DomainRef } from '../libvirt/types.ts';

/** Numbers the readings, and remembers in which of them each run answered last. */
export class Readings {
  #count = 0;
  readonly #answeredIn = new Map<string, number>();

  begin(): number {
    this.#count += 1;
    return this.#count;
  }

  /** How a call about this run is sent, in this reading. */
  terms(reading: number, domain: DomainRef, deadline: number): StatsTerms {
    const run = domainRunId(domain);
    const hasAnsweredSince = (since: number): boolean => (this.#answeredIn.get(run) ?? 0) >= since;
    return { reading, deadline, hasAnsweredSince };
  }

  answered(reading: number, domain: DomainRef): void {
    this.#answeredIn.set(domainRunId(domain), reading);
  }

  /** Forgets the runs that are over. */
  keepOnly(running: readonly DomainRef[]): void {
    if (this.#answeredIn.size <= running.length) return;
    const runs = new Set(running.map(domainRunId));
    for (const run of this.#answeredIn.keys()) if (!runs.has(run)) this.#answeredIn.delete(run);
  }
}

/** Of one round of calls whether all that were sent, with time to answer, failed, and why the first did. */
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

  /** Undefined when one succeeded, or none was sent. */
  get failure(): unknown {
    return this.#hasSucceeded ? undefined : this.#error;
  }
}

/** Whether an error says that the domain does not run any more, which is no failure. */
export function saysItIsGone(error: unknown): boolean {
  const isNotRunning =
    error instanceof LibvirtServerError && error.number === ServerErrorNumber.operationInvalid;
  return isNotRunning || isNoDomain(error);
}
