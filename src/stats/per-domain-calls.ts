import type { StatsClient } from '../libvirt/stats-client.ts';
import type { DomainRef } from '../libvirt/wire-types.ts';
import type { PendingCalls } from './pending-calls.ts';
import { runKey } from './run-key.ts';

/** These calls take a tenth of a millisecond and wait for no QEMU. */
const PATIENCE_MS = 1_000;

/** Small calls about one domain each. One that hangs is not repeated for its domain until it has been answered. */
export class PerDomainCalls {
  readonly #calls: PendingCalls;
  readonly #hung = new Set<string>();

  constructor(calls: PendingCalls) {
    this.#calls = calls;
  }

  /** Undefined when there is no answer until `deadline` (performance.now() milliseconds), or an error. */
  async ask<T>(
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
}
