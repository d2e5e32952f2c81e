import type { Clock } from './clock.ts';

const FIRST_MS = 250;
const LONGEST_MS = 15_000;
const MOST_DOUBLINGS = 16;
/** A connection that lasted for this long was a good one: the next pause is the shortest again. */
export const STABLE_MS = 10_000;
/** So was one over which libvirt did what it was connected for, if it lasted for this long. */
export const STABLE_IF_USED_MS = 1_000;

/**
 * Growing pauses between attempts to connect, with jitter. A daemon that closes each connection after the handshake gets the
 * same pauses as one that refuses to connect.
 */
export class ReconnectDelay {
  readonly #clock: Clock;
  readonly #random: () => number;
  #failures = 0;
  #retryAt = Number.NEGATIVE_INFINITY;
  #connectedAt: number | undefined;
  #wasUsed = false;
  #endedAfterHandshake = false;

  constructor(clock: Clock, random: () => number = Math.random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Failures since the last connection that lasted. */
  get failures(): number {
    return this.#failures;
  }

  /** The last failure was a connection that ended soon after its handshake, and not one that was refused. */
  get endedAfterHandshake(): boolean {
    return this.#endedAfterHandshake;
  }

  /** Milliseconds until the next attempt is due; 0 when it is. */
  get remainingMs(): number {
    return Math.max(0, this.#retryAt - this.#clock.now());
  }

  /** A connection was opened. */
  connected(): void {
    this.#connectedAt = this.#clock.now();
    this.#wasUsed = false;
  }

  /** libvirt did what it was connected for. */
  used(): void {
    this.#wasUsed = true;
  }

  /** A connection that lasted has ended: the next attempt is due at once, and pauses begin with the shortest. */
  reset(): void {
    this.#failures = 0;
    this.#retryAt = Number.NEGATIVE_INFINITY;
    this.#connectedAt = undefined;
  }

  /** An attempt failed, or the connection was lost. Returns the pause until the next attempt, in milliseconds. */
  failed(): number {
    const now = this.#clock.now();
    const lasted =
      this.#connectedAt !== undefined &&
      now - this.#connectedAt >= (this.#wasUsed ? STABLE_IF_USED_MS : STABLE_MS);
    this.#endedAfterHandshake = this.#connectedAt !== undefined && !lasted;
    this.#connectedAt = undefined;
    if (lasted) this.#failures = 0;
    const ceiling = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, MOST_DOUBLINGS);
    const pause = ceiling / 2 + (this.#random() * ceiling) / 2;
    this.#retryAt = now + pause;
    return pause;
  }
}
