import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { settledWithin } from '../concurrency.ts';

/** Time for all files of one scrape together. */
const TIMEOUT_MS = 200;
/** Files and links change seldom. */
const FRESH_MS = 60_000;
/** Pairs that are remembered; beyond this number all are looked up again. */
const MAX_PAIRS = 4096;

type FileStatus = Pick<Stats, 'dev' | 'ino' | 'rdev'> & { isBlockDevice(): boolean };

interface KnownPair {
  readonly isSame: boolean;
  /** performance.now() milliseconds. */
  readonly readAt: number;
}

/**
 * Finds out which paths lead to the same file or to the same block device, `/dev/mapper/x` and `/dev/dm-1` for example. A file
 * system that hangs occupies one of the four threads that Node.js has for files, and no file is looked up until it answers.
 */
export class SameFiles {
  readonly #stat: (path: string) => Promise<FileStatus>;
  readonly #known = new Map<string, KnownPair>();
  #underWay: Promise<void> | undefined;

  constructor(readStatus: (path: string) => Promise<FileStatus> = stat) {
    this.#stat = readStatus;
  }

  /** Looks up these pairs. The returned function is true for those that are one file, as far as the exporter can see. */
  async lookUp(pairs: readonly (readonly [string, string])[]): Promise<(a: string, b: string) => boolean> {
    if (pairs.length > 0) {
      this.#underWay ??= this.#readAll(pairs).finally(() => {
        this.#underWay = undefined;
      });
      await settledWithin(this.#underWay, TIMEOUT_MS);
    }
    return (a, b) => this.#known.get(keyOf(a, b))?.isSame === true;
  }

  async #readAll(pairs: readonly (readonly [string, string])[]): Promise<void> {
    if (this.#known.size > MAX_PAIRS) this.#known.clear();
    for (const [a, b] of pairs.slice(0, MAX_PAIRS)) {
      const known = this.#known.get(keyOf(a, b));
      if (known !== undefined && performance.now() - known.readAt < FRESH_MS) continue;
      const isSame = await this.#isSame(a, b);
      this.#known.set(keyOf(a, b), { isSame, readAt: performance.now() });
    }
  }

  async #isSame(a: string, b: string): Promise<boolean> {
    try {
      const [one, other] = [await this.#stat(a), await this.#stat(b)];
      if (one.isBlockDevice() && other.isBlockDevice()) return one.rdev === other.rdev;
      return one.dev === other.dev && one.ino === other.ino;
    } catch {
      return false; // there is no such file, or the exporter cannot see it
    }
  }
}

function keyOf(a: string, b: string): string {
  return `${a}\0${b}`;
}
