import { settledWithin } from '../concurrency.ts';
import type { StatsClient } from '../daemon/stats-client.ts';
import {
  isNoDomain,
  LibvirtServerError,
  LibvirtTransportError,
  ServerErrorNumber,
} from '../libvirt/errors.ts';
import type { DomainRef } from '../libvirt/types.ts';
import { domainRunId } from './domain-run-id.ts';
import type { LateCall, PendingCalls } from './pending-calls.ts';

/** These calls take a tenth of a millisecond and wait for no QEMU. */
const PATIENCE_MS = 1_000;

/** `gone`: the domain does not run any more. An error: libvirt refuses, does not answer, or is not there. */
export type PerDomainAnswer<T> = { readonly value: T } | 'gone' | { readonly error: unknown };

export interface PerDomainCallsOptions {
  readonly calls: PendingCalls;
  /** Whether the calls wait for whatever is at work on the domain. */
  readonly needsQemu: boolean;
}

/**
 * Small calls about one domain each. A domain that has not answered one is not sent another: who asks meanwhile waits for
 * that answer, until it has been waited for as long as it takes to say that the domain hangs.
 */
export class PerDomainCalls {
  readonly #options: PerDomainCallsOptions;
  readonly #late = new Map<string, LateCall<unknown>>();

  constructor(options: PerDomainCallsOptions) {
    this.#options = options;
  }

  /** Undefined when the time until `deadline` (performance.now() milliseconds) was too short to tell. */
  async ask<T>(
    domain: DomainRef,
    deadline: number,
    call: (client: StatsClient) => Promise<T>,
  ): Promise<PerDomainAnswer<T> | undefined> {
    const key = domainRunId(domain);
    const before = this.#late.get(key);
    if (before !== undefined) {
      const overdueAt = before.sentAt + PATIENCE_MS;
      const waitMs = Math.max(0, Math.min(overdueAt, deadline) - performance.now());
      if (!(await settledWithin(before.pending, waitMs)))
        return overdueAt <= deadline ? noAnswer(domain) : undefined;
    }
    if (performance.now() >= deadline) return undefined;
    const { calls, needsQemu } = this.#options;
    let isOverdue = false;
    try {
      const answer = await calls.ask(call, {
        needsQemu,
        patienceMs: () => {
          const remainingMs = deadline - performance.now();
          isOverdue = remainingMs >= PATIENCE_MS;
          return Math.min(PATIENCE_MS, remainingMs);
        },
      });
      if (!answer.late) return { value: answer.value };
      this.#late.set(key, answer);
      const done = (): void => {
        if (this.#late.get(key) === answer) this.#late.delete(key);
      };
      answer.pending.then(done, done);
      return isOverdue ? noAnswer(domain) : undefined;
    } catch (error) {
      if (saysItIsGone(error)) return 'gone';
      return performance.now() < deadline ? { error } : undefined;
    }
  }
}

function saysItIsGone(error: unknown): boolean {
  const isNotRunning =
    error instanceof LibvirtServerError && error.number === ServerErrorNumber.operationInvalid;
  return isNotRunning || isNoDomain(error);
}

function noAnswer({ name }: DomainRef): { readonly error: unknown } {
  const message = `${name}: no answer within ${PATIENCE_MS} ms`;
  return { error: new LibvirtTransportError('ERR_LIBVIRT_TIMEOUT', message) };
}

/** Of one round of calls whether all that were made, with time to answer, failed, and why the first did. */
export class Tally {
  #hasSucceeded = false;
  #error: unknown;

  add(answer: PerDomainAnswer<unknown> | undefined): void {
    if (answer === undefined || answer === 'gone') return;
    if ('error' in answer) this.#error ??= answer.error;
    else this.#hasSucceeded = true;
  }

  /** Undefined when one succeeded, or none was made. */
  get failure(): unknown {
    return this.#hasSucceeded ? undefined : this.#error;
  }
}
