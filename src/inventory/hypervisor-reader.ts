import type { Logger } from 'pino';
import type { ConfigurationClient } from '../daemon/configuration-client.ts';
import { type HypervisorInfo, hasLostEmulator, readHypervisor } from './hypervisor.ts';

/** A package upgrade takes a minute or two. After this time the regular reads every few minutes are enough. */
const RETRY_FOR_MS = 10 * 60_000;

/** Keeps the values of the hypervisor, and reads them again on request. */
export class HypervisorReader {
  readonly #log: Logger;
  #client: ConfigurationClient | undefined;
  #current: HypervisorInfo | undefined;
  #problem: string | undefined;
  /** performance.now() milliseconds since which a value cannot be read. */
  #incompleteSince: number | undefined;
  #underWay: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** The last values; undefined until the first read has ended. */
  get current(): HypervisorInfo | undefined {
    return this.#current;
  }

  /** The read in progress, if there is one. */
  get underWay(): Promise<void> | undefined {
    return this.#underWay;
  }

  /** Reads everything over a new connection. A read over an earlier connection is given up. */
  connected(client: ConfigurationClient): void {
    this.#client = client;
    void this.#start();
  }

  /** Resolves when a read has ended that began after this call. Never rejects. */
  refresh(): Promise<void> {
    if (this.#underWay === undefined) return this.#start();
    this.#next ??= this.#underWay.then(() => {
      this.#next = undefined;
      return this.refresh();
    });
    return this.#next;
  }

  /** Reads values again that could not be read, for some minutes after they could last. */
  retry(): void {
    const since = this.#incompleteSince;
    if (since !== undefined && performance.now() - since < RETRY_FOR_MS) void this.refresh();
  }

  #start(): Promise<void> {
    const underWay = this.#read().finally(() => {
      if (this.#underWay === underWay) this.#underWay = undefined;
    });
    this.#underWay = underWay;
    return underWay;
  }

  async #read(): Promise<void> {
    const client = this.#client;
    if (client?.isOpen !== true) return;
    const info = await readHypervisor(client, this.#current);
    if (!client.isOpen || client !== this.#client) return;
    this.#current = info;
    const isIncomplete = info.problems.length > 0 || hasLostEmulator(info);
    this.#incompleteSince = isIncomplete ? (this.#incompleteSince ?? performance.now()) : undefined;
    this.#logProblem(info);
  }

  #logProblem({ problems }: HypervisorInfo): void {
    const problem = problems.map(({ message }) => message).join('; ');
    if (problem !== this.#problem && problem !== '') {
      this.#log.warn(
        { problem },
        'some values of the hypervisor cannot be read: their last known values are served',
      );
    }
    this.#problem = problem;
  }
}
