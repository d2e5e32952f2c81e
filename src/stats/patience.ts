/** A batch that takes longer than the slowest of the last time by this factor has met a domain that hangs. */
const LATE_FACTOR = 4;
const LEARN_FACTOR = 1.5;
const SHORTEST_MS = 500;
const LONGEST_MS = 4_000;

/** For how long an answer is waited for before it is late, learnt from how long answers took. */
export class Patience {
  #ms = 2 * SHORTEST_MS;

  get ms(): number {
    return this.#ms;
  }

  /** After a reading. Not at once to less: a selection of collectors or a quiet moment says little about the next. */
  adapt(slowestMs: number): void {
    if (slowestMs <= 0) return;
    const enough = Math.min(LONGEST_MS, Math.max(SHORTEST_MS, LATE_FACTOR * slowestMs));
    this.#ms = Math.max(enough, this.#ms / 2);
  }

  /**
   * After a late answer that came after all. It may be that this host takes longer; more often a domain that is just
   * starting held it up, which is no reason to be much more patient with those that hang.
   */
  learn(tookMs: number): void {
    const enough = LEARN_FACTOR * tookMs;
    if (enough < LONGEST_MS) this.#ms = Math.max(this.#ms, enough);
  }
}
