import { settledWithin } from '../concurrency.ts';
import type { ConfigurationClient, DomainStateRecord } from '../daemon/configuration-client.ts';
import { LibvirtTransportError } from '../libvirt/errors.ts';

/** libvirt's list of domains at one moment. */
export interface Listing {
  readonly states: readonly DomainStateRecord[];
  /** Number of the last event before the call was sent; later events are newer than the list. */
  readonly lastEvent: number;
}

/** A list takes a millisecond or two, except while libvirt holds a domain's lock, to end a hung QEMU for example. */
const TIMEOUT_MS = 1_000;
/** The same, as a share of the time until the scrape's deadline. */
const TIMEOUT_SHARE = 0.25;
/** An older list than this is not used, although events announce most changes since. */
const MAX_AGE_MS = 60_000;

interface KnownListing extends Listing {
  readonly client: ConfigurationClient;
  /** When the call was sent, in performance.now() milliseconds. */
  readonly sentAt: number;
}

/**
 * Fetches one list at a time. Callers during a fetch share the next one, because the current one may lack changes that
 * happened before their call.
 */
export class DomainList {
  readonly #lastEvent: () => number;
  #current: Promise<Listing> | undefined;
  #next: Promise<Listing> | undefined;
  #known: KnownListing | undefined;

  constructor(lastEvent: () => number) {
    this.#lastEvent = lastEvent;
  }

  /** Returns a list that is fetched after this call. Rejects as the call to libvirt does. */
  fetch(client: ConfigurationClient): Promise<Listing> {
    if (this.#current === undefined) {
      this.#current = this.#call(client).finally(() => {
        this.#current = undefined;
      });
      return this.#current;
    }
    const fetchNext = (): Promise<Listing> => {
      this.#next = undefined;
      return this.fetch(client);
    };
    this.#next ??= this.#current.then(fetchNext, fetchNext);
    return this.#next;
  }

  /**
   * Returns a list that is fetched after this call, or the previous list if that fetch times out and libvirt still answers.
   * @throws LibvirtTransportError or LibvirtServerError when there is no list until `deadline` (performance.now()
   *   milliseconds)
   */
  async latest(client: ConfigurationClient, deadline: number): Promise<Listing> {
    const fetched = this.fetch(client);
    const known = this.#known;
    const now = performance.now();
    const timeoutMs = Math.min(TIMEOUT_MS, TIMEOUT_SHARE * (deadline - now));
    if (known?.client === client && now - known.sentAt < MAX_AGE_MS) {
      if (await settledWithin(fetched, timeoutMs)) return fetched;
      if (await answers(client, timeoutMs)) return known;
    }
    if (await settledWithin(fetched, deadline - performance.now())) return fetched;
    throw new LibvirtTransportError('ERR_LIBVIRT_TIMEOUT', 'libvirt does not list its domains in time');
  }

  async #call(client: ConfigurationClient): Promise<Listing> {
    const lastEvent = this.#lastEvent();
    const sentAt = performance.now();
    const states = await client.domainStates();
    this.#known = { states, lastEvent, client, sentAt };
    return this.#known;
  }
}

/** Whether libvirt answers a call that needs no domain's lock. */
async function answers(client: ConfigurationClient, withinMs: number): Promise<boolean> {
  const answer = client.daemonVersion().then(
    () => true,
    () => false,
  );
  return (await settledWithin(answer, withinMs)) && answer;
}
