import type { Logger } from 'pino';
import type { DomainRef } from '../libvirt/wire-types.ts';
import { runKey } from './run-key.ts';

/** How often a domain that is set aside is asked again, alone. */
const RETRY_MS = 5_000;

export interface SetAsideOptions {
  /**
   * Asks one domain, with nobody waiting for it. `pending` is the call, when its answer is late.
   */
  readonly askAlone: (domain: DomainRef) => Promise<{ answers: boolean; pending?: Promise<unknown> }>;
  readonly log: Logger;
}

interface Entry {
  readonly domain: DomainRef;
  /** A call waits for this domain's QEMU, or is about to be made: no other is. */
  busy: boolean;
}

/**
 * The domains whose QEMU does not answer its monitor. They are left out of what is asked for all, and asked one by
 * one in the background until they answer: as soon as the call that hangs on them is answered, else every few seconds.
 */
export class SetAside {
  readonly #options: SetAsideOptions;
  readonly #entries = new Map<string, Entry>();
  #timer: NodeJS.Timeout | undefined;
  #isRetrying = false;

  constructor(options: SetAsideOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = setInterval(() => void this.#retryAll(), RETRY_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#entries.clear();
  }

  has(domain: DomainRef): boolean {
    return this.#entries.has(runKey(domain));
  }

  /** `pending` is the call that waits for the domain's QEMU. */
  add(domain: DomainRef, pending: Promise<unknown>): void {
    const key = runKey(domain);
    if (this.#entries.has(key)) return;
    const entry = { domain, busy: true };
    this.#entries.set(key, entry);
    this.#options.log.warn(
      { domain: domain.name },
      'QEMU does not answer its monitor; this domain has no statistics until it does',
    );
    this.#retryAfter(entry, pending);
  }

  /** Forgets the runs that are over. */
  keepOnly(running: readonly DomainRef[]): void {
    if (this.#entries.size === 0) return;
    const keys = new Set(running.map(runKey));
    for (const key of this.#entries.keys()) {
      if (!keys.has(key)) this.#entries.delete(key);
    }
  }

  /** One after the other: scrapes want the places as well. */
  async #retryAll(): Promise<void> {
    if (this.#isRetrying) return;
    this.#isRetrying = true;
    for (const entry of [...this.#entries.values()]) await this.#retry(entry);
    this.#isRetrying = false;
  }

  #retryAfter(entry: Entry, pending: Promise<unknown>): void {
    const again = (): void => {
      entry.busy = false;
      void this.#retry(entry);
    };
    pending.then(again, () => {
      entry.busy = false; // the connection is lost: the next round asks again
    });
  }

  async #retry(entry: Entry): Promise<void> {
    const key = runKey(entry.domain);
    if (entry.busy || this.#entries.get(key) !== entry) return;
    entry.busy = true;
    try {
      const { answers, pending } = await this.#options.askAlone(entry.domain);
      if (pending !== undefined) {
        this.#retryAfter(entry, pending);
        return;
      }
      if (answers && this.#entries.delete(key)) {
        this.#options.log.info({ domain: entry.domain.name }, 'QEMU answers its monitor again');
      }
    } catch (error) {
      this.#options.log.debug({ err: error, domain: entry.domain.name }, 'asking the domain again failed');
    }
    entry.busy = false;
  }
}
