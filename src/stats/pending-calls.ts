import type { StatsClient } from '../daemon/stats-client.ts';
import { LibvirtTransportError } from '../libvirt/errors.ts';
import type { DaemonWorkers, HeldWorker } from './daemon-workers.ts';

/**
 * libvirtd serves four calls of a client at a time (docs/architecture.md), and on a host of two processors more in
 * flight gain nothing: 100 domains in 267 ms with two, 235 with three, 209 with four, 218 with eight on two
 * connections.
 */
export const CALLS_AT_A_TIME = 4;

/** One call does not open more connections than this. */
const MAX_CONNECTS = 3;
/** A connection that only hanging calls made necessary stays for those of the next scrapes. */
const SPARE_MS = 30_000;

/** A call whose answer did not come in time; nobody can take it back. */
export interface LateCall<T> {
  readonly late: true;
  readonly pending: Promise<T>;
  readonly isSettled: () => boolean;
  /** When it was sent, in performance.now() milliseconds. */
  readonly sentAt: number;
}

export type Answer<T> = { readonly late: false; readonly value: T; readonly sentAt: number } | LateCall<T>;

/** How a call is to be made. */
export interface CallTerms {
  /** Whether it waits for a domain's QEMU. */
  readonly needsQemu: boolean;
  /** For how long its answer is waited for, asked once it can be sent; it is not sent when that is no time at all. */
  readonly patienceMs: () => number;
}

export interface PendingCallsOptions {
  readonly connect: () => Promise<StatsClient>;
  /** Shared by all who make such calls. */
  readonly workers: DaemonWorkers;
}

interface Lane {
  readonly client: StatsClient;
  /** Calls that have not been answered, late ones included. */
  calls: number;
  spareTimer: NodeJS.Timeout | undefined;
}

/**
 * Makes calls that may hang, four at a time. One that is late gives its place to the next call, which may need
 * another connection, as libvirtd reads no more of a client with four calls unanswered.
 */
export class PendingCalls {
  readonly #connect: () => Promise<StatsClient>;
  readonly #workers: DaemonWorkers;
  #lanes: Lane[] = [];
  #connecting: Promise<void> | undefined;
  #active = 0;
  readonly #waiting: (() => void)[] = [];
  #stopped = false;

  constructor({ connect, workers }: PendingCallsOptions) {
    this.#connect = connect;
    this.#workers = workers;
  }

  /** Whether so many calls hang that only what is known to be well may be asked, one call at a time. */
  get isStrained(): boolean {
    return this.#workers.isStrained;
  }

  /**
   * Waits for a place, makes the call, and waits for its answer.
   * @throws LibvirtServerError when libvirt answers with an error
   * @throws LibvirtTransportError when there is no connection, no time, or too many calls hang already
   */
  async ask<T>(call: (client: StatsClient) => Promise<T>, terms: CallTerms): Promise<Answer<T>> {
    await this.#takePlace();
    try {
      const worker = await this.#workers.take(terms.needsQemu);
      const lane = await this.#reserveLane().catch((error: unknown) => {
        worker.release();
        throw error;
      });
      const patienceMs = terms.patienceMs();
      if (patienceMs <= 0) {
        this.#answered(lane, worker);
        throw new LibvirtTransportError('ERR_LIBVIRT_TIMEOUT', 'no time was left for the call');
      }
      const answer = call(lane.client).finally(() => this.#answered(lane, worker));
      return await orLate(answer, patienceMs, worker);
    } finally {
      this.#givePlace();
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    const lanes = this.#lanes.splice(0);
    for (const { spareTimer } of lanes) clearTimeout(spareTimer);
    await Promise.all(lanes.map(({ client }) => client.close()));
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
    const lane = { client: await this.#connect(), calls: 0, spareTimer: undefined };
    if (this.#stopped) {
      await lane.client.close();
      throw new LibvirtTransportError('ERR_LIBVIRT_CLOSED', 'the exporter is stopping');
    }
    this.#lanes.push(lane);
  }

  #answered(lane: Lane, worker: HeldWorker): void {
    worker.release();
    lane.calls -= 1;
    if (lane.calls > 0 || this.#stopped) return;
    clearTimeout(lane.spareTimer);
    lane.spareTimer = setTimeout(() => this.#closeSpare(lane), SPARE_MS).unref();
  }

  /** Once the calls are answered that needed another connection, it is not needed any more. */
  #closeSpare(lane: Lane): void {
    const isSpare = this.#lanes.some((other) => other !== lane && other.calls < CALLS_AT_A_TIME);
    if (lane.calls > 0 || !isSpare) return;
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

async function orLate<T>(pending: Promise<T>, patienceMs: number, worker: HeldWorker): Promise<Answer<T>> {
  const sentAt = performance.now();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Answer<T>>((resolve) => {
    timer = setTimeout(() => {
      worker.late();
      let settled = false;
      const settle = (): void => {
        settled = true;
      };
      pending.then(settle, settle);
      resolve({ late: true, pending, sentAt, isSettled: () => settled });
    }, patienceMs);
  });
  try {
    return await Promise.race([pending.then((value): Answer<T> => ({ late: false, value, sentAt })), late]);
  } finally {
    clearTimeout(timer);
  }
}
