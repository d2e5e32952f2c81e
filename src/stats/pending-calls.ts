import { LibvirtTransportError } from '../libvirt/errors.ts';
import type { StatsClient } from '../libvirt/stats-client.ts';

/**
 * libvirtd serves four calls of a client at a time (docs/architecture.md), and on a host of two processors more in
 * flight gain nothing: 100 domains in 267 ms with two, 235 with three, 209 with four, 218 with eight on two
 * connections.
 */
export const CALLS_AT_A_TIME = 4;
/**
 * A call that a hung QEMU keeps waiting holds one of the daemon's workers, 20 by default, until that QEMU answers.
 * Beyond this many nothing more is asked that could hang.
 */
const MAX_PENDING = 12;

/** One call does not open more connections than this. */
const MAX_CONNECTS = 3;

/** A call's answer, or that it did not come in time; it is pending then, and nobody can take it back. */
export type Answer<T> =
  | { readonly late: false; readonly value: T }
  | { readonly late: true; readonly pending: Promise<T> };

export interface PendingCallsOptions {
  readonly connect: () => Promise<StatsClient>;
}

interface Lane {
  readonly client: StatsClient;
  /** Calls that have not been answered, late ones included. */
  calls: number;
}

/**
 * Makes calls that may hang, four at a time. One that is late gives its place to the next call, which may need
 * another connection, as libvirtd reads no more of a client with four calls unanswered.
 */
export class PendingCalls {
  readonly #connect: () => Promise<StatsClient>;
  #lanes: Lane[] = [];
  #connecting: Promise<void> | undefined;
  #active = 0;
  #pending = 0;
  readonly #waiting: (() => void)[] = [];
  #stopped = false;

  constructor({ connect }: PendingCallsOptions) {
    this.#connect = connect;
  }

  /**
   * Waits for a place, makes the call, and waits for its answer for `patienceMs`.
   * @throws LibvirtServerError when libvirt answers with an error
   * @throws LibvirtTransportError when there is no connection, or too many calls are pending already
   */
  async ask<T>(call: (client: StatsClient) => Promise<T>, patienceMs: number): Promise<Answer<T>> {
    await this.#takePlace();
    try {
      if (this.#pending >= MAX_PENDING) {
        throw new LibvirtTransportError(
          'ERR_LIBVIRT_UNRESPONSIVE',
          `${MAX_PENDING} calls wait for domains that do not answer; no more are made until some do`,
        );
      }
      const lane = await this.#reserveLane();
      const answer = call(lane.client).finally(() => {
        lane.calls -= 1;
        this.#closeSpare(lane);
      });
      return await this.#orLate(answer, patienceMs);
    } finally {
      this.#givePlace();
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#lanes.splice(0).map(({ client }) => client.close()));
  }

  async #orLate<T>(answer: Promise<T>, patienceMs: number): Promise<Answer<T>> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<Answer<T>>((resolve) => {
      timer = setTimeout(() => {
        this.#pending += 1;
        const pending = answer.catch(() => undefined);
        void pending.then(() => {
          this.#pending -= 1;
        });
        resolve({ late: true, pending: answer });
      }, patienceMs);
    });
    try {
      return await Promise.race([answer.then((value): Answer<T> => ({ late: false, value })), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Counts the call at once: of several that begin together each needs a place of its own. */
  async #reserveLane(): Promise<Lane> {
    for (let connects = 0; connects <= MAX_CONNECTS; connects++) {
      this.#lanes = this.#lanes.filter(({ client }) => client.isOpen);
      const free = this.#lanes.find(({ calls }) => calls < CALLS_AT_A_TIME);
      if (free !== undefined) {
        free.calls += 1;
        return free;
      }
      this.#connecting ??= this.#openLane().finally(() => {
        this.#connecting = undefined;
      });
      await this.#connecting;
    }
    throw new LibvirtTransportError('ERR_LIBVIRT_CLOSED', 'libvirt closes each connection at once');
  }

  async #openLane(): Promise<void> {
    const lane = { client: await this.#connect(), calls: 0 };
    if (this.#stopped) {
      await lane.client.close();
      throw new LibvirtTransportError('ERR_LIBVIRT_CLOSED', 'the exporter is stopping');
    }
    this.#lanes.push(lane);
  }

  /** Once the calls are answered that needed another connection, it is not needed any more. */
  #closeSpare(lane: Lane): void {
    if (lane.calls > 0) return;
    const isSpare = this.#lanes.some((other) => other !== lane && other.calls < CALLS_AT_A_TIME);
    if (!isSpare) return;
    this.#lanes = this.#lanes.filter((other) => other !== lane);
    void lane.client.close();
  }

  async #takePlace(): Promise<void> {
    if (this.#active >= CALLS_AT_A_TIME) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#active += 1;
  }

  #givePlace(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#active -= 1;
    else next();
  }
}
