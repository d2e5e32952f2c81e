import { settledWithin } from '../concurrency.ts';
import type { ConfigurationClient, DomainStateRecord } from '../daemon/configuration-client.ts';
import { LibvirtTransportError } from '../libvirt/errors.ts';

/** Which domains there are, as libvirt told at one moment. */
export interface Listing {
  readonly states: readonly DomainStateRecord[];
  /** Number of the last event that had come when the list was asked for: later ones know better. */
  readonly lastEvent: number;
}

/** A list takes a millisecond or two, unless libvirt holds a domain's lock: it does while it ends a QEMU that hangs. */
const LATE_MS = 1_000;
const LATE_SHARE = 0.25;
/** What happened since is known by events; a list that is older than this is no basis all the same. */
const OLDEST_MS = 60_000;

interface KnownListing extends Listing {
  readonly client: ConfigurationClient;
  /** When it was asked for, in performance.now() milliseconds. */
  readonly askedAt: number;
}

/**
 * Asks for one list at a time. Who comes meanwhile shares the next one: what happened before they came may be missing
 * from the one that is under way.
 */
export class DomainList {
  readonly #lastEvent: () => number;
  #asked: Promise<Listing> | undefined;
  #next: Promise<Listing> | undefined;
  #known: KnownListing | undefined;

  constructor(lastEvent: () => number) {
    this.#lastEvent = lastEvent;
  }

  /** A list that was asked for after this call. Rejects as the call to libvirt does. */
  ask(client: ConfigurationClient): Promise<Listing> {
    if (this.#asked === undefined) {
      this.#asked = this.#call(client).finally(() => {
        this.#asked = undefined;
      });
      return this.#asked;
    }
    const askNext = (): Promise<Listing> => {
      this.#next = undefined;
      return this.ask(client);
    };
    this.#next ??= this.#asked.then(askNext, askNext);
    return this.#next;
  }

  /**
   * A list that was asked for after this call; where that one is late although libvirt answers, the one before.
   * @throws LibvirtTransportError or LibvirtServerError when there is none until `deadline` (performance.now()
   *   milliseconds)
   */
  async latest(client: ConfigurationClient, deadline: number): Promise<Listing> {
    const asked = this.ask(client);
    const known = this.#known;
    const now = performance.now();
    const patienceMs = Math.min(LATE_MS, LATE_SHARE * (deadline - now));
    if (known?.client === client && now - known.askedAt < OLDEST_MS) {
      if (await settledWithin(asked, patienceMs)) return asked;
      if (await answers(client, patienceMs)) return known;
    }
    if (await settledWithin(asked, deadline - performance.now())) return asked;
    throw new LibvirtTransportError('ERR_LIBVIRT_TIMEOUT', 'libvirt does not list its domains in time');
  }

  async #call(client: ConfigurationClient): Promise<Listing> {
    const lastEvent = this.#lastEvent();
    const askedAt = performance.now();
    const states = await client.domainStates();
    this.#known = { states, lastEvent, client, askedAt };
    return this.#known;
  }
}

/** Whether libvirt answers a call that waits for no domain. */
async function answers(client: ConfigurationClient, withinMs: number): Promise<boolean> {
  const answer = client.daemonVersion().then(
    () => true,
    () => false,
  );
  return (await settledWithin(answer, withinMs)) && answer;
}
