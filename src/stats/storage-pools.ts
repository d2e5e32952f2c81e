import type { Logger } from 'pino';
import { forEachLimited, settledWithin } from '../concurrency.ts';
import type { StatsClient } from '../daemon/stats-client.ts';
import { LibvirtServerError, LibvirtTransportError, ServerErrorNumber } from '../libvirt/errors.ts';
import type { StoragePoolInfo } from '../libvirt/procedures/storage.ts';
import type { StoragePoolRef } from '../libvirt/types.ts';
import { CALLS_AT_A_TIME, type PendingCalls } from './pending-calls.ts';

/** A pool answers from memory; one that takes this long is busy, with a refresh for example. */
const PATIENCE_MS = 1_000;
/** A scrape that finds the pools busy shows what they said before, if that is not older. */
const STALE_MS = 60_000;

/** More pools that fail are not remembered, and may be logged more than once. */
const MAX_FAILING = 1_000;

export interface StoragePool extends StoragePoolInfo {
  readonly name: string;
}

export interface PoolReading {
  /** Undefined when they could not be listed for a while. */
  readonly pools: readonly StoragePool[] | undefined;
  /** They could not be listed though there is a driver for them, or not one of them could be read. */
  readonly failed: boolean;
}

interface Known {
  readonly pool: StoragePool;
  /** performance.now() milliseconds. */
  readonly readAt: number;
}

/** Reads the storage pools as libvirt last saw them; they are never refreshed. A pool that hangs costs only itself. */
export class StoragePoolReader {
  readonly #calls: PendingCalls;
  readonly #log: Logger;
  readonly #failing = new Map<string, string>();
  /** Pools with a call that has not been answered: they are asked again when it is. */
  readonly #hung = new Set<string>();
  readonly #pools = new Map<string, Known>();
  #listedAt = Number.NEGATIVE_INFINITY;
  #listed = 0;
  /** libvirt answered with an error when they were to be listed last. */
  #isRefused = false;
  /** False when the daemon says that it has no storage driver. */
  #hasStorage = true;
  #reading: Promise<void> | undefined;

  constructor(calls: PendingCalls, log: Logger) {
    this.#calls = calls;
    this.#log = log;
  }

  /** A pool that could not be read for a while is missing. */
  async read(deadline: number): Promise<PoolReading> {
    // One that is still under way was waited for by an earlier scrape.
    const isLeftOver = this.#reading !== undefined;
    this.#reading ??= this.#readAll().finally(() => {
      this.#reading = undefined;
    });
    const patienceMs = isLeftOver ? 0 : Math.min(PATIENCE_MS, Math.max(0, deadline - performance.now()));
    await settledWithin(this.#reading, patienceMs);
    const isFresh = (readAt: number): boolean => performance.now() - readAt < STALE_MS;
    if (!isFresh(this.#listedAt)) return { pools: undefined, failed: this.#hasStorage };
    const pools = [...this.#pools.values()].filter(({ readAt }) => isFresh(readAt)).map(({ pool }) => pool);
    return { pools, failed: this.#isRefused || (this.#listed > 0 && pools.length === 0) };
  }

  async #readAll(): Promise<void> {
    const listed = await this.#try('', (client) => client.storagePools());
    if (listed === undefined) return;
    this.#listedAt = performance.now();
    this.#listed = listed.length;
    this.#isRefused = false;
    this.#hasStorage = true;
    const byName = new Map<string, StoragePoolRef>();
    for (const pool of listed) if (!byName.has(pool.name)) byName.set(pool.name, pool);
    for (const name of this.#pools.keys()) if (!byName.has(name)) this.#pools.delete(name);
    await forEachLimited(byName.values(), CALLS_AT_A_TIME, async (pool) => {
      const info = await this.#try(pool.name, (client) => client.storagePool(pool));
      if (info === undefined) return;
      this.#pools.set(pool.name, { pool: { name: pool.name, ...info }, readAt: performance.now() });
    });
  }

  /** Logs a failure once, until what fails changes. */
  async #try<T>(pool: string, call: (client: StatsClient) => Promise<T>): Promise<T | undefined> {
    if (this.#hung.has(pool)) return undefined;
    try {
      const answer = await this.#calls.ask(call, { needsQemu: false, patienceMs: () => PATIENCE_MS });
      if (answer.late) {
        this.#hung.add(pool);
        const done = (): void => {
          this.#hung.delete(pool);
        };
        answer.pending.then(done, done);
        this.#note(
          pool,
          new LibvirtTransportError('ERR_LIBVIRT_TIMEOUT', `no answer within ${PATIENCE_MS} ms`),
        );
        return undefined;
      }
      this.#failing.delete(pool);
      return answer.value;
    } catch (error) {
      // Connections come and go with the daemon, which is logged elsewhere; a daemon without storage has no pools.
      if (!(error instanceof LibvirtServerError)) return undefined;
      const isAbsent = error.number === ServerErrorNumber.noSupport;
      if (pool === '') {
        this.#hasStorage = !isAbsent;
        this.#isRefused = !isAbsent;
      }
      if (!isAbsent) this.#note(pool, error);
      return undefined;
    }
  }

  #note(pool: string, error: Error): void {
    if (this.#failing.get(pool) === error.message) return;
    if (this.#failing.size > MAX_FAILING) this.#failing.clear();
    this.#failing.set(pool, error.message);
    this.#log.warn({ err: error, ...(pool === '' ? {} : { pool }) }, 'storage pools cannot be read');
  }
}
