import {
  isNoDomain,
  LibvirtServerError,
  LibvirtTransportError,
  ServerErrorNumber,
} from '../libvirt/errors.ts';
import type { StatsClient } from '../libvirt/stats-client.ts';
import type { DomainRef } from '../libvirt/wire-types.ts';
import type { PendingCalls } from './pending-calls.ts';
import { runKey } from './run-key.ts';

/** These calls take a tenth of a millisecond and wait for no QEMU. */
const PATIENCE_MS = 1_000;

/** `gone`: the domain does not run any more. An error: libvirt refuses, does not answer, or is not there. */
export type PerDomainAnswer<T> = { readonly value: T } | 'gone' | { readonly error: unknown };

export interface PerDomainCallsOptions {
  readonly calls: PendingCalls;
  /** Whether the calls wait for whatever is at work on the domain. */
  readonly needsQemu: boolean;
}

/** Small calls about one domain each. One that hangs is not repeated for its domain until it has been answered. */
export class PerDomainCalls {
  readonly #options: PerDomainCallsOptions;
  readonly #hung = new Set<string>();

  constructor(options: PerDomainCallsOptions) {
    this.#options = options;
  }

  /** Undefined when there is no time for it until `deadline` (performance.now() milliseconds). */
  async ask<T>(
    domain: DomainRef,
    deadline: number,
    call: (client: StatsClient) => Promise<T>,
  ): Promise<PerDomainAnswer<T> | undefined> {
    const key = runKey(domain);
    if (this.#hung.has(key)) return { error: late(domain) };
    if (performance.now() >= deadline) return undefined;
    const { calls, needsQemu } = this.#options;
    try {
      const answer = await calls.ask(call, {
        needsQemu,
        patienceMs: () => Math.min(PATIENCE_MS, deadline - performance.now()),
      });
      if (!answer.late) return { value: answer.value };
      this.#hung.add(key);
      const done = (): void => {
        this.#hung.delete(key);
      };
      answer.pending.then(done, done);
      return { error: late(domain) };
    } catch (error) {
      return saysItIsGone(error) ? 'gone' : { error };
    }
  }
}

function saysItIsGone(error: unknown): boolean {
  const isNotRunning =
    error instanceof LibvirtServerError && error.number === ServerErrorNumber.operationInvalid;
  return isNotRunning || isNoDomain(error);
}

function late({ name }: DomainRef): LibvirtTransportError {
  return new LibvirtTransportError('ERR_LIBVIRT_TIMEOUT', `${name}: no answer within ${PATIENCE_MS} ms`);
}

/** Of one round of calls whether all that were made failed, and why the first did. */
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
