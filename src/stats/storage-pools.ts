import type { Logger } from 'pino';
import { settledWithin } from '../concurrency.ts';
import { LibvirtServerError, ServerErrorNumber } from '../libvirt/errors.ts';
import type { StoragePoolInfo } from '../libvirt/storage-procedures.ts';
import type { PendingCalls } from './pending-calls.ts';

/** A pool answers from memory; one that takes this long is busy, with a refresh for example. */
const PATIENCE_MS = 1_000;
/** A scrape that finds the pools busy shows what they said before, if that is not older. */
const STALE_MS = 60_000;

/** More pools that fail are not remembered, and may be logged more than once. */
const MAX_FAILING = 1_000;

export interface StoragePool extends StoragePoolInfo {
  readonly name: string;
}

/**
 * Reads the storage pools as libvirt last saw them; they are never refreshed. A pool that hangs keeps only the other
 * pools waiting, and one call at most.
 */
export class StoragePoolReader {
  readonly #calls: PendingCalls;
  readonly #log: Logger;
  readonly #failing = new Map<string, string>();
  #pools: readonly StoragePool[] = [];
  #readAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;

  constructor(calls: PendingCalls, log: Logger) {
    this.#calls = calls;
    this.#log = log;
  }

  /** Undefined when the pools could not be read for a while. */
  async read(deadline: number): Promise<readonly StoragePool[] | undefined> {
    this.#reading ??= this.#readAll().finally(() => {
      this.#reading = undefined;
    });
    const patienceMs = Math.min(PATIENCE_MS, Math.max(0, deadline - performance.now()));
    await settledWithin(this.#reading, patienceMs);
    return performance.now() - this.#readAt < STALE_MS ? this.#pools : undefined;
  }

  async #readAll(): Promise<void> {
    const listed = await this.#try('', (calls) => whole(calls, (client) => client.storagePools()));
    if (listed === undefined) return;
    const pools: StoragePool[] = [];
    const names = new Set<string>();
    for (const pool of listed) {
      const info = await this.#try(pool.name, (calls) => whole(calls, (client) => client.storagePool(pool)));
      if (info === undefined || names.has(pool.name)) continue;
      names.add(pool.name);
      pools.push({ name: pool.name, ...info });
    }
    this.#pools = pools;
    this.#readAt = performance.now();
  }

  /** Logs a failure once, until what fails changes. */
  async #try<T>(pool: string, read: (calls: PendingCalls) => Promise<T>): Promise<T | undefined> {
    try {
      const value = await read(this.#calls);
      this.#failing.delete(pool);
      return value;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      // Connections come and go with the daemon, which is logged elsewhere; a daemon without storage has no pools.
      const tells = error instanceof LibvirtServerError && error.number !== ServerErrorNumber.noSupport;
      if (tells && this.#failing.get(pool) !== message) {
        if (this.#failing.size > MAX_FAILING) this.#failing.clear();
        this.#failing.set(pool, message);
        this.#log.warn({ err: error, ...(pool === '' ? {} : { pool }) }, 'storage pools cannot be read');
      }
      return undefined;
    }
  }
}

/** The answer, however late: nobody but the next reading waits for it. */
async function whole<T>(calls: PendingCalls, call: Parameters<typeof calls.ask<T>>[0]): Promise<T> {
  const answer = await calls.ask(call, PATIENCE_MS);
  return answer.late ? answer.pending : answer.value;
}
