import type { Clock } from './clock.ts';

const FIRST_MS = 250;
const LONGEST_MS = 15_000;
const MOST_DOUBLINGS = 16;
/** After a connection that lasted for this long, the next pause is the shortest again. */
export const STABLE_MS = 10_000;
/** The same, for a connection over which libvirt answered a call. */
export const STABLE_IF_USED_MS = 5_000;

/**
 * Growing pauses between attempts to connect, with jitter. The pauses are the same for a daemon that closes each connection
 * after the handshake and for one that refuses connections.
 */
export class ReconnectDelay {
  readonly #clock: Clock;
  readonly #random: () => number;
  #failures = 0;
  #retryAt = Number.NEGATIVE_INFINITY;
  #connectedAt: number | undefined;
  #wasUsed = false;

  constructor(clock: Clock, random: () => number = Math.random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Number of failures since the last stable connection. */
  get failures(): number {
    return this.#failures;
  }

  /** Milliseconds until the next attempt may start; 0 when it may start now. */
  get remainingMs(): number {
    return Math.max(0, this.#retryAt - this.#clock.now());
  }

  /** A connection was opened. */
  connected(): void {
    this.#connectedAt = this.#clock.now();
    this.#wasUsed = false;
  }

  /** libvirt has answered a call over the connection. */
  used(): void {
    this.#wasUsed = true;
  }

  /** Forgets all failures: the next attempt may start at once, and the next pause is the shortest. */
  reset(): void {
    this.#failures = 0;
    this.#retryAt = Number.NEGATIVE_INFINITY;
    this.#connectedAt = undefined;
  }

  /** Records a failed attempt or a lost connection. Returns the pause until the next attempt, in milliseconds. */
  failed(): number {
    const now = this.#clock.now();
    const lasted =
      this.#connectedAt !== undefined &&
      now - this.#connectedAt >= (this.#wasUsed ? STABLE_IF_USED_MS : STABLE_MS);
    this.#connectedAt = undefined;
    if (lasted) this.#failures = 0;
    const ceiling = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, MOST_DOUBLINGS);
    const pause = ceiling / 2 + (this.#random() * ceiling) / 2;
    this.#retryAt = now + pause;
    return pause;
  }
}
