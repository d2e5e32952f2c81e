import type { Logger } from 'pino';
import { forEachLimited, settledWithin } from '../concurrency.ts';
import type { CallResult } from '../daemon/call-pool.ts';
import type { StatisticsClient } from '../daemon/statistics-client.ts';
import { LibvirtServerError, LibvirtTransportError, ServerErrorNumber } from '../libvirt/errors.ts';
import type { StoragePoolInfo } from '../libvirt/procedures/storage.ts';
import type { StoragePoolRef } from '../libvirt/types.ts';

/** Pools answer from memory; one that takes this long is busy, with a refresh for example. */
const BUSY_MS = 1_000;
/** Time to send the calls of one reading: others wait for slots as well. */
const SENDING_MS = 10_000;
/** Two hung pools hold two of the daemon's five workers for high-priority calls. */
const AT_A_TIME = 2;
/** A scrape that finds the pools busy shows the last values, if these are not older. */
const STALE_MS = 60_000;

/** More pools that fail are not remembered, and may be logged more than once. */
const MAX_FAILING = 1_000;

export interface StoragePool extends StoragePoolInfo {
  readonly name: string;
}

export interface StoragePools {
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

/** Reads the storage pools as libvirt last saw them; they are never refreshed. A hung pool has no series; the others have. */
export class StoragePoolReader {
  readonly #client: StatisticsClient;
  readonly #log: Logger;
  readonly #failing = new Map<string, string>();
  readonly #pools = new Map<string, Known>();
  #listedAt = Number.NEGATIVE_INFINITY;
  #listed = 0;
  /** libvirt answered with an error when they were to be listed last. */
  #isRefused = false;
  /** False when the daemon says that it has no storage driver. */
  #hasStorage = true;
  #reading: Promise<void> | undefined;

  constructor(client: StatisticsClient, log: Logger) {
    this.#client = client;
    this.#log = log;
  }

  /** A pool that could not be read for a while is missing. */
  async read(deadline: number): Promise<StoragePools> {
    // An earlier scrape waited for what is still under way.
    const isLeftOver = this.#reading !== undefined;
    this.#reading ??= this.#readAll().finally(() => {
      this.#reading = undefined;
    });
    const timeoutMs = isLeftOver ? 0 : Math.min(BUSY_MS, Math.max(0, deadline - performance.now()));
    await settledWithin(this.#reading, timeoutMs);
    const isFresh = (readAt: number): boolean => performance.now() - readAt < STALE_MS;
    if (!isFresh(this.#listedAt)) return { pools: undefined, failed: this.#hasStorage };
    const pools = [...this.#pools.values()].filter(({ readAt }) => isFresh(readAt)).map(({ pool }) => pool);
    return { pools, failed: this.#isRefused || (this.#listed > 0 && pools.length === 0) };
  }

  async #readAll(): Promise<void> {
    const listed = await this.#try('', (sendBy) => this.#client.storagePools(sendBy));
    if (listed === undefined) return;
    this.#listedAt = performance.now();
    this.#listed = listed.length;
    this.#isRefused = false;
    this.#hasStorage = true;
    const byName = new Map<string, StoragePoolRef>();
    for (const pool of listed) if (!byName.has(pool.name)) byName.set(pool.name, pool);
    for (const name of this.#pools.keys()) if (!byName.has(name)) this.#pools.delete(name);
    await forEachLimited(byName.values(), AT_A_TIME, async (pool) => {
      const info = await this.#try(pool.name, (sendBy) => this.#client.storagePool(pool, sendBy));
      if (info === undefined) return;
      this.#pools.set(pool.name, { pool: { name: pool.name, ...info }, readAt: performance.now() });
    });
  }

  /** Logs a failure once, until what fails changes. */
  async #try<T>(pool: string, call: (sendBy: number) => Promise<CallResult<T>>): Promise<T | undefined> {
    try {
      const result = await call(performance.now() + SENDING_MS);
      if (result.status !== 'answered') {
        const message = 'libvirt does not answer in time';
        if (result.status === 'unresponsive')
          this.#note(pool, new LibvirtTransportError('ERR_LIBVIRT_TIMEOUT', message));
        return undefined;
      }
      this.#failing.delete(pool);
      return result.value;
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
    this.#log.warn(
      { err: error, ...(pool === '' ? {} : { pool }) },
      'storage pools cannot be read: their metrics are missing',
    );
  }
}
