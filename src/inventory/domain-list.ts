import type { DomainStateRecord, LibvirtClient } from '../libvirt/client.ts';

/** Which domains there are, as libvirt told at one moment. */
export interface Listing {
  readonly states: readonly DomainStateRecord[];
  /** Number of the last event that had come when the list was asked for: later ones know better. */
  readonly lastEvent: number;
}

/**
 * Asks for one list at a time. Who comes meanwhile shares the next one: what happened before they came may be missing
 * from the one that is under way.
 */
export class DomainList {
  readonly #lastEvent: () => number;
  #asked: Promise<Listing> | undefined;
  #next: Promise<Listing> | undefined;

  constructor(lastEvent: () => number) {
    this.#lastEvent = lastEvent;
  }

  /** A list that was asked for after this call. Rejects as the call to libvirt does. */
  ask(client: LibvirtClient): Promise<Listing> {
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

  async #call(client: LibvirtClient): Promise<Listing> {
    const lastEvent = this.#lastEvent();
    return { states: await client.domainStates(), lastEvent };
  }
}
