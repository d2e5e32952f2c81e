import { settledWithin } from '../concurrency.ts';
import type { ConfigurationClient } from '../daemon/configuration-client.ts';
import { domainRunId } from '../daemon/domain-run-id.ts';
import type { DomainRef } from '../libvirt/types.ts';
import { type DomainReadResult, readDomain } from './read-domain.ts';

/** Of the four workers that configuration may hold, one is for a domain that takes long and one for an unresponsive one. */
const READERS = 2;
const MAX_SLOW = 1;
/** A domain takes a millisecond or two to read; nobody waits for one that takes this long. */
const SLOW_MS = 1_000;

export interface ConfigReaderOptions {
  /** What else is to be known of the moment before a domain is read. */
  readonly prepare: (client: ConfigurationClient) => Promise<void>;
  /** Whether the domain's QEMU is known not to respond. */
  readonly isUnresponsive: (domain: DomainRef) => boolean;
  readonly onRead: (domain: DomainRef, result: DomainReadResult) => void;
  /** libvirt has not answered for the domain in time; `onRead` is called when it does. */
  readonly onTimeout: (domain: DomainRef, afterMs: number) => void;
  /** The connection was lost; what was to be read still is, over the next one. */
  readonly onInterrupted: (error: unknown) => void;
}

/** One domain that is being read and waited for. */
interface Step {
  /** performance.now() milliseconds. */
  readonly startedAt: number;
  readonly ended: Promise<unknown>;
}

/**
 * Reads the configurations of domains that changed. libvirt 11.0 to 11.4 keeps a reader waiting for 30 s while a call waits for
 * the domain's QEMU (measured on 11.3). So domains whose QEMU does not respond are read last, one after the other, and no
 * scrape waits for them.
 */
export class ConfigReader {
  readonly #options: ConfigReaderOptions;
  #client: ConfigurationClient | undefined;
  readonly #changed = new Map<string, DomainRef>();
  /** Runs that are being read. Not a second time at once: the older answer could come last. */
  readonly #inHand = new Set<string>();
  readonly #steps = new Set<Step>();
  /** Runs whose monitor libvirt reported as occupied since {@link ConfigReader.retry}. */
  readonly #occupied = new Set<string>();
  #readers = 0;
  #isReadingUnresponsive = false;
  #slow = 0;
  #transients: Promise<ReadonlySet<string>> | undefined;

  constructor(options: ConfigReaderOptions) {
    this.#options = options;
  }

  connected(client: ConfigurationClient): void {
    this.#client = client;
    this.#transients = undefined;
    this.#occupied.clear();
    this.read();
  }

  /** Has a domain read that changed; once more, if it is being read. */
  add(domain: DomainRef): void {
    this.#changed.set(domain.uuid, domain);
    // Whether it outlives its run may be what changed.
    this.#transients = undefined;
    this.read();
  }

  forget(uuid: string): void {
    this.#changed.delete(uuid);
  }

  /** Whether this run of the domain is about to be read or being read. */
  isPending(domain: DomainRef): boolean {
    return this.#changed.has(domain.uuid) || this.#inHand.has(runAndName(domain));
  }

  /** Looks again which domains respond, and reads what is left. */
  retry(): void {
    this.#occupied.clear();
    this.read();
  }

  /** Reads what is to be read, in the background. */
  read(): void {
    const client = this.#client;
    if (client?.isOpen !== true) return;
    for (let toRead = this.#changed.size; toRead > 0 && this.#readers < READERS; toRead--) {
      this.#readers += 1;
      void this.#runReader(client);
    }
  }

  /**
   * Waits until all that changed is read, until `deadline` (performance.now() milliseconds) at most, and neither for a domain
   * that takes long nor for one whose QEMU does not respond.
   */
  async settled(deadline: number): Promise<void> {
    for (;;) {
      const now = performance.now();
      const awaited = [...this.#steps].filter(({ startedAt }) => now - startedAt < SLOW_MS);
      if (awaited.length === 0 || now >= deadline) return;
      const until = Math.min(deadline, ...awaited.map(({ startedAt }) => startedAt + SLOW_MS));
      await settledWithin(Promise.race(awaited.map(({ ended }) => ended)), until - now);
    }
  }

  async #runReader(client: ConfigurationClient): Promise<void> {
    let isInterrupted = false;
    try {
      await this.#readResponsive(client);
    } catch (error) {
      isInterrupted = true;
      this.#options.onInterrupted(error);
    }
    this.#readers -= 1;
    if (client !== this.#client) this.read();
    else if (!isInterrupted) this.#readUnresponsive(client);
  }

  async #readResponsive(client: ConfigurationClient): Promise<void> {
    while (client.isOpen && this.#next(true) !== undefined) {
      const step: Step = { startedAt: performance.now(), ended: this.#readNext(client) };
      this.#steps.add(step);
      const isSlow = !(await settledWithin(step.ended, SLOW_MS));
      if (isSlow && this.#slow < MAX_SLOW) {
        this.#leaveSlow(step);
        continue;
      }
      try {
        await step.ended;
      } finally {
        // No gap until the next step: `settled` would take the reader for finished.
        this.#steps.delete(step);
      }
    }
  }

  /** Goes on with other domains while this one takes long. */
  #leaveSlow(step: Step): void {
    this.#slow += 1;
    step.ended.catch(this.#options.onInterrupted).finally(() => {
      this.#slow -= 1;
      this.#steps.delete(step);
    });
  }

  /** The domains that do not respond, one after the other. */
  #readUnresponsive(client: ConfigurationClient): void {
    // The reader of what is left comes here afterwards.
    if (this.#isReadingUnresponsive || this.#next(true) !== undefined) return;
    this.#isReadingUnresponsive = true;
    const readAll = async (): Promise<void> => {
      for (let next = this.#next(false); next !== undefined && client.isOpen; next = this.#next(false)) {
        const transients = await this.#currentTransients(client);
        // Removed before it is read: what changes meanwhile is read once more.
        if (this.#changed.get(next.uuid) !== next) continue;
        this.#changed.delete(next.uuid);
        await this.#readOne(client, next, transients);
      }
    };
    let isInterrupted = false;
    readAll()
      .catch((error: unknown) => {
        isInterrupted = true;
        this.#options.onInterrupted(error);
      })
      .finally(() => {
        this.#isReadingUnresponsive = false;
        const isLeft = !isInterrupted && this.#next(true) !== undefined;
        if (isLeft || client !== this.#client) this.read();
      });
  }

  #next(responsive: boolean): DomainRef | undefined {
    for (const domain of this.#changed.values())
      if (!this.#inHand.has(runAndName(domain)) && this.#responds(domain) === responsive) return domain;
    return undefined;
  }

  #responds(domain: DomainRef): boolean {
    return !this.#occupied.has(domainRunId(domain)) && !this.#options.isUnresponsive(domain);
  }

  async #readNext(client: ConfigurationClient): Promise<void> {
    const transients = await this.#currentTransients(client);
    const domain = this.#next(true);
    if (domain === undefined) return;
    // Removed before it is read: what changes meanwhile is read once more.
    this.#changed.delete(domain.uuid);
    this.#inHand.add(runAndName(domain));
    const isOccupied = await client.isMonitorOccupied(domain).finally(() => {
      this.#inHand.delete(runAndName(domain));
    });
    if (!isOccupied) return this.#readOne(client, domain, transients);
    this.#occupied.add(domainRunId(domain));
    if (!this.#changed.has(domain.uuid)) this.#changed.set(domain.uuid, domain);
  }

  async #readOne(
    client: ConfigurationClient,
    domain: DomainRef,
    transients: ReadonlySet<string>,
  ): Promise<void> {
    const run = runAndName(domain);
    this.#inHand.add(run);
    const reading = readDomain(client, domain, transients.has(domain.uuid));
    if (!(await settledWithin(reading, client.timeoutMs))) this.#options.onTimeout(domain, client.timeoutMs);
    const result = await reading
      .catch((error: unknown) => {
        if (!this.#changed.has(domain.uuid)) this.#changed.set(domain.uuid, domain);
        throw error;
      })
      .finally(() => {
        this.#inHand.delete(run);
      });
    this.#options.onRead(domain, result);
  }

  /** The domains that exist only while they run, listed after the last change was announced. */
  async #currentTransients(client: ConfigurationClient): Promise<ReadonlySet<string>> {
    for (;;) {
      this.#transients ??= this.#listTransients(client);
      const listing = this.#transients;
      try {
        const transients = await listing;
        if (listing === this.#transients) return transients;
      } catch (error) {
        if (listing === this.#transients) this.#transients = undefined;
        throw error;
      }
    }
  }

  async #listTransients(client: ConfigurationClient): Promise<ReadonlySet<string>> {
    const [domains] = await Promise.all([client.transientDomains(), this.#options.prepare(client)]);
    return new Set(domains.map(({ uuid }) => uuid));
  }
}

/** A renamed domain keeps its uuid, and an answer about its old name says nothing about the new one. */
function runAndName(domain: DomainRef): string {
  return `${domainRunId(domain)} ${domain.name}`;
}
