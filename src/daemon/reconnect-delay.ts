import type { Clock } from './clock.ts';

const FIRST_MS = 250;
const LONGEST_MS = 15_000;
const MOST_DOUBLINGS = 16;
/** A daemon that is restarted ends one connection. */
const MOST_ENDED_BY_RESTART = 1;
/** After a connection that lasted for this long, the next pause is the shortest again. */
const STABLE_MS = 10_000;
/** The same, for a connection over which libvirt answered a call. */
const STABLE_IF_USED_MS = 5_000;

/** A connection that was opened. */
export interface ConnectionAge {
  /** In the clock's milliseconds. */
  readonly openedAt: number;
  /** libvirt has answered a call over it. */
  wasUsed: boolean;
}

/**
 * Growing pauses between attempts to connect, with jitter. The pauses are the same for a daemon that closes each connection
 * after the handshake and for one that refuses connections.
 */
export class ReconnectDelay {
  readonly #clock: Clock;
  readonly #random: () => number;
  #failures = 0;
  /** Connections in a row that the daemon accepted and that then failed. */
  #ended = 0;
  #retryAt = Number.NEGATIVE_INFINITY;
  /** The last connection that was opened, until it ends. */
  #connection: ConnectionAge | undefined;

  constructor(clock: Clock, random: () => number = Math.random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Milliseconds until the next attempt may start; 0 when it may start now. */
  get remainingMs(): number {
    return Math.max(0, this.#retryAt - this.#clock.now());
  }

  /** The daemon accepts connections and then fails, again and again: no attempt is worth an exception from the pause. */
  get isFlapping(): boolean {
    return this.#ended > MOST_ENDED_BY_RESTART && this.remainingMs > 0;
  }

  /** A connection was opened. Its owner passes the result to `used` and `ended` if it has more than one. */
  connected(): ConnectionAge {
    this.#connection = { openedAt: this.#clock.now(), wasUsed: false };
    return this.#connection;
  }

  /** libvirt has answered a call over the connection. */
  used(connection = this.#connection): void {
    if (connection !== undefined) connection.wasUsed = true;
  }

  /** Forgets all failures: the next attempt may start at once, and the next pause is the shortest. */
  reset(): void {
    this.#failures = 0;
    this.#ended = 0;
    this.#retryAt = Number.NEGATIVE_INFINITY;
    this.#connection = undefined;
  }

  /**
   * One of several connections has ended. If it was stable, the next attempt may start at once. Otherwise this is a failure;
   * connections that end together are one.
   */
  ended(connection: ConnectionAge): void {
    if (this.#isStable(connection)) this.reset();
    else if (this.remainingMs === 0) this.failed();
  }

  /**
   * Records a failed attempt or a lost connection. `isRefused`: the daemon did not accept the connection, so it was away.
   * Returns the pause until the next attempt, in milliseconds.
   */
  failed(isRefused = false): number {
    const wasStable = this.#connection !== undefined && this.#isStable(this.#connection);
    this.#connection = undefined;
    if (wasStable) this.#failures = 0;
    if (isRefused) this.#ended = 0;
    else this.#ended = wasStable ? 1 : this.#ended + 1;
    const ceiling = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, MOST_DOUBLINGS);
    const pause = ceiling / 2 + (this.#random() * ceiling) / 2;
    this.#retryAt = this.#clock.now() + pause;
    return pause;
  }

  #isStable({ openedAt, wasUsed }: ConnectionAge): boolean {
    return this.#clock.now() - openedAt >= (wasUsed ? STABLE_IF_USED_MS : STABLE_MS);
  }
}
