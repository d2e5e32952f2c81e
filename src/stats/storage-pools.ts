import type { Logger } from 'pino';
import { forEachLimited } from '../concurrency.ts';
import type { CallResult } from '../daemon/call-pool.ts';
import { settledBy } from '../daemon/clock.ts';
import type { StatisticsClient } from '../daemon/statistics-client.ts';
import { LibvirtServerError, LibvirtTransportError, ServerErrorNumber } from '../libvirt/errors.ts';
import type { StoragePoolInfo } from '../libvirt/procedures/storage.ts';
import type { StoragePoolRef } from '../libvirt/types.ts';

/** libvirt returns a pool's values from memory. A pool that takes this long is busy, for example with a refresh. */
const BUSY_MS = 1_000;
/** A call that has not been sent after this time is not sent: other calls wait for the call pool's slots, too. */
const SENDING_MS = 10_000;
/** Two hung pools hold two of the daemon's five workers for high-priority calls. */
const AT_A_TIME = 2;
/** While pools are busy, their last values are served until these are older than this. */
const STALE_MS = 60_000;

/** The exporter remembers at most this many failing pools; it may log further ones more than once. */
const MAX_FAILING = 1_000;

export interface StoragePool extends StoragePoolInfo {
  readonly name: string;
}

export interface StoragePools {
  /** Undefined when libvirt has listed no pools for a minute. */
  readonly pools: readonly StoragePool[] | undefined;
  /** libvirt has a storage driver, but the pools could not be listed, or none of them could be read. */
  readonly failed: boolean;
}

interface Known {
  readonly pool: StoragePool;
  /** In the clock's milliseconds. */
  readonly readAt: number;
}

/** Reads the values of each storage pool's last refresh, and never refreshes a pool. Only a hung pool loses its series. */
export class StoragePoolReader {
  readonly #client: StatisticsClient;
  readonly #log: Logger;
  readonly #failing = new Map<string, string>();
  readonly #pools = new Map<string, Known>();
  #listedAt = Number.NEGATIVE_INFINITY;
  #listed = 0;
  /** libvirt answered the last listing with an error. */
  #isRefused = false;
  /** False when the daemon has no storage driver. */
  #hasStorage = true;
  #underWay: Promise<void> | undefined;

  constructor(client: StatisticsClient, log: Logger) {
    this.#client = client;
    this.#log = log;
  }

  /** Pools without values of the last minute are missing. `deadline` is in the clock's milliseconds. */
  async read(deadline: number): Promise<StoragePools> {
    const { clock } = this.#client;
    // An earlier scrape has already waited for a read that is still in progress.
    const isLeftOver = this.#underWay !== undefined;
    this.#underWay ??= this.#readAll().finally(() => {
      this.#underWay = undefined;
    });
    const waitUntil = isLeftOver ? clock.now() : Math.min(clock.now() + BUSY_MS, deadline);
    await settledBy(clock, waitUntil, this.#underWay);
    const isFresh = (readAt: number): boolean => clock.now() - readAt < STALE_MS;
    if (!isFresh(this.#listedAt)) return { pools: undefined, failed: this.#hasStorage };
    const pools = [...this.#pools.values()].filter(({ readAt }) => isFresh(readAt)).map(({ pool }) => pool);
    return { pools, failed: this.#isRefused || (this.#listed > 0 && pools.length === 0) };
  }

  async #readAll(): Promise<void> {
    const { clock } = this.#client;
    const listed = await this.#try('', (sendBy) => this.#client.storagePools(sendBy));
    if (listed === undefined) return;
    this.#listedAt = clock.now();
    this.#listed = listed.length;
    this.#isRefused = false;
    this.#hasStorage = true;
    const byName = new Map<string, StoragePoolRef>();
    for (const pool of listed) if (!byName.has(pool.name)) byName.set(pool.name, pool);
    for (const name of this.#pools.keys()) if (!byName.has(name)) this.#pools.delete(name);
    await forEachLimited(byName.values(), AT_A_TIME, async (pool) => {
      const info = await this.#try(pool.name, (sendBy) => this.#client.storagePool(pool, sendBy));
      if (info === undefined) return;
      this.#pools.set(pool.name, { pool: { name: pool.name, ...info }, readAt: clock.now() });
    });
  }

  /** Logs a failure once, until what fails changes. */
  async #try<T>(pool: string, call: (sendBy: number) => Promise<CallResult<T>>): Promise<T | undefined> {
    try {
      const result = await call(this.#client.clock.now() + SENDING_MS);
      if (result.status !== 'answered') {
        const message = 'libvirt does not answer in time';
        if (result.status === 'unresponsive')
          this.#note(pool, new LibvirtTransportError('ERR_LIBVIRT_TIMEOUT', message));
        return undefined;
      }
      this.#failing.delete(pool);
      return result.value;
    } catch (error) {
      // EventConnection reports a lost connection. A daemon without a storage driver has no pools.
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
