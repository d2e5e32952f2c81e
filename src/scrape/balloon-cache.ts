import type { Logger } from 'pino';
import type { LibvirtClient } from '../libvirt/client.ts';
import type { BalloonStats } from './facts.ts';

/**
 * libvirt asks each QEMU for these statistics, some 1.5 ms a domain, while everything else of a scrape is known
 * or costs one cheap call. The balloon driver sends them every few seconds at best and says when, so they are
 * read beside the scrapes.
 */
const READ_EVERY_MS = 10_000;
/** Nobody scrapes any more: nothing needs to be read. */
const UNUSED_AFTER_MS = 5 * 60_000;
const STALE_AFTER_MS = 60_000;

export interface BalloonCacheOptions {
  /** The connected client; undefined while libvirt is away. */
  readonly client: () => LibvirtClient | undefined;
  readonly log: Logger;
}

/** The balloon statistics of all running domains, a few seconds old. */
export class BalloonCache {
  readonly #options: BalloonCacheOptions;
  #stats: ReadonlyMap<string, BalloonStats> = new Map();
  #readAt = Number.NEGATIVE_INFINITY;
  #usedAt = performance.now();
  #reading = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: BalloonCacheOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = setInterval(() => {
      if (performance.now() - this.#usedAt < UNUSED_AFTER_MS) this.refresh();
    }, READ_EVERY_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Reads anew; a call that hangs on one QEMU is not repeated until it has ended. */
  refresh(): void {
    const client = this.#options.client();
    if (client === undefined || this.#reading) return;
    this.#reading = true;
    client
      .balloonStats()
      .then((records) => {
        this.#stats = new Map(records.map(({ domain, params }) => [key(domain), params]));
        this.#readAt = performance.now();
      })
      .catch((error: unknown) => this.#options.log.debug({ err: error }, 'reading balloon statistics failed'))
      .finally(() => {
        this.#reading = false;
      });
  }

  /** The statistics of this run of a domain; undefined while none are known. */
  statsOf(run: { readonly uuid: string; readonly id: number }): BalloonStats | undefined {
    this.#usedAt = performance.now();
    return this.#usedAt - this.#readAt < STALE_AFTER_MS ? this.#stats.get(key(run)) : undefined;
  }
}

function key({ uuid, id }: { readonly uuid: string; readonly id: number }): string {
  return `${uuid} ${id}`;
}
