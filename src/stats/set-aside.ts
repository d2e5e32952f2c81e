import type { Logger } from 'pino';
import type { DomainRef } from '../libvirt/types.ts';
import { domainRunId } from './domain-run-id.ts';
import { withoutQemu, withQemu } from './groups.ts';

/** How often a domain that is set aside is asked again, alone. */
const RETRY_MS = 5_000;

export interface SetAsideOptions {
  /**
   * Asks one domain for these groups, with nobody waiting for it. `late` is the call, when its answer is late.
   */
  readonly askAlone: (
    domain: DomainRef,
    groups: number,
  ) => Promise<{ answers: boolean; late?: Promise<unknown> }>;
  readonly log: Logger;
}

interface Entry {
  readonly domain: DomainRef;
  /** Groups that do not answer. */
  groups: number;
  /** A call of its own waits for this domain, or is about to be made: no other is. */
  busy: boolean;
}

/**
 * The domains that hold up whoever asks them: their QEMU does not answer its monitor, or what tells of their interfaces
 * is slow (libvirt runs ovs-vsctl for a vhost-user interface). What does not answer is left out of what is asked for
 * all, and asked alone in the background, as soon as the call that hangs is answered and every few seconds.
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

  /** The groups that are not to be asked of this domain. */
  groupsOf(domain: DomainRef): number {
    return this.#entries.get(domainRunId(domain))?.groups ?? 0;
  }

  /** `late` is the call that waits for the domain; `isOwn` when it waits for no other. */
  add(domain: DomainRef, groups: number, late: Promise<unknown>, { isOwn }: { isOwn: boolean }): void {
    const key = domainRunId(domain);
    if (this.#entries.has(key)) return;
    const entry = { domain, groups, busy: isOwn };
    this.#entries.set(key, entry);
    this.#options.log.warn(
      { domain: domain.name },
      withQemu(groups) !== 0
        ? 'QEMU does not answer its monitor; this domain has no statistics until it does'
        : 'libvirt does not tell of the interfaces in time; this domain has no statistics of them until it does',
    );
    // It may answer now. A call that failed tells that the connection is lost: the next round asks again.
    late.then(
      () => {
        if (isOwn) entry.busy = false;
        void this.#retry(entry);
      },
      () => {
        if (isOwn) entry.busy = false;
      },
    );
  }

  /** Forgets the runs that are over. */
  keepOnly(running: readonly DomainRef[]): void {
    if (this.#entries.size === 0) return;
    const keys = new Set(running.map(domainRunId));
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

  /** Asks for what needs QEMU and for what does not apart: either may answer before the other. */
  async #retry(entry: Entry): Promise<void> {
    const key = domainRunId(entry.domain);
    if (entry.busy || this.#entries.get(key) !== entry) return;
    entry.busy = true;
    try {
      for (const groups of [withQemu(entry.groups), withoutQemu(entry.groups)]) {
        if (groups === 0) continue;
        const { answers, late } = await this.#options.askAlone(entry.domain, groups);
        if (late !== undefined) {
          const settle = (): void => {
            entry.busy = false;
          };
          late.then(settle, settle);
          return;
        }
        if (answers) entry.groups &= ~groups;
      }
      if (entry.groups === 0 && this.#entries.delete(key)) {
        this.#options.log.info({ domain: entry.domain.name }, 'this domain answers again');
      }
    } catch (error) {
      this.#options.log.debug({ err: error, domain: entry.domain.name }, 'asking the domain again failed');
    }
    entry.busy = false;
  }
}
