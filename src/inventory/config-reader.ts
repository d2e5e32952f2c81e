import { settledWithin } from '../concurrency.ts';
import type { ConfigurationClient } from '../daemon/configuration-client.ts';
import { domainRunId } from '../daemon/domain-run-id.ts';
import type { DomainRef } from '../libvirt/types.ts';
import { ParsedDocuments } from './parsed-documents.ts';
import { type DomainReadResult, readDomain } from './read-domain.ts';

/** Configuration may hold four workers: two for these readers, one for a slow domain, one for an unresponsive domain. */
const READERS = 2;
const MAX_SLOW = 1;
/** Reading a domain takes a millisecond or two. No caller waits for a domain that takes this long. */
const SLOW_MS = 1_000;

export interface ConfigReaderOptions {
  /** Called before domains are read. */
  readonly prepare: (client: ConfigurationClient) => Promise<void>;
  /** Whether the domain's QEMU does not respond. */
  readonly isUnresponsive: (domain: DomainRef) => boolean;
  readonly onRead: (domain: DomainRef, result: DomainReadResult) => void;
  /** Called when libvirt does not return the domain's configuration in time; `onRead` is called when libvirt does. */
  readonly onTimeout: (domain: DomainRef, afterMs: number) => void;
  /** Called when the connection is lost. The changed domains are read over the next connection. */
  readonly onInterrupted: (error: unknown) => void;
}

/** A read of one domain, which callers wait for. */
interface Step {
  /** performance.now() milliseconds. */
  readonly startedAt: number;
  readonly ended: Promise<unknown>;
}

/**
 * Reads the configurations of changed domains. In libvirt 11.0 to 11.4 such a call waits for 30 s while another call waits
 * for the domain's QEMU (measured on 11.3). So domains whose QEMU does not respond are read last, one after the other, and
 * no scrape waits for them.
 */
export class ConfigReader {
  readonly #options: ConfigReaderOptions;
  #client: ConfigurationClient | undefined;
  readonly #changed = new Map<string, DomainRef>();
  /** Runs that are being read. A second read at the same time could overwrite a newer result with an older one. */
  readonly #underWay = new Set<string>();
  readonly #steps = new Set<Step>();
  readonly #documents = new ParsedDocuments();
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

  /** Reads a changed domain, also when an earlier read of the domain is in progress. */
  add(domain: DomainRef): void {
    this.#changed.set(domain.uuid, domain);
    // The change may have made the domain transient or persistent.
    this.#transients = undefined;
    this.read();
  }

  forget(uuid: string): void {
    this.#changed.delete(uuid);
    this.#documents.forget(uuid);
  }

  /** Whether this run of the domain waits to be read or is being read. */
  isPending(domain: DomainRef): boolean {
    return this.#changed.has(domain.uuid) || this.#underWay.has(runAndName(domain));
  }

  /** Checks again which domains respond, and reads the remaining ones. */
  retry(): void {
    this.#occupied.clear();
    this.read();
  }

  /** Reads the changed domains in the background. */
  read(): void {
    const client = this.#client;
    if (client?.isOpen !== true) return;
    for (let toRead = this.#changed.size; toRead > 0 && this.#readers < READERS; toRead--) {
      this.#readers += 1;
      void this.#runReader(client);
    }
  }

  /**
   * Waits until the changed domains are read, until `deadline` (performance.now() milliseconds) at most. Does not wait for
   * slow domains, nor for domains whose QEMU does not respond.
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
        this.#continueWithoutStep(step);
        continue;
      }
      try {
        await step.ended;
      } finally {
        // No `await` until the next step, as `settled` would otherwise find no step.
        this.#steps.delete(step);
      }
    }
  }

  /** Lets the reader continue with other domains while this one is slow. */
  #continueWithoutStep(step: Step): void {
    this.#slow += 1;
    step.ended.catch(this.#options.onInterrupted).finally(() => {
      this.#slow -= 1;
      this.#steps.delete(step);
    });
  }

  /** Reads the domains that do not respond, one after the other. */
  #readUnresponsive(client: ConfigurationClient): void {
    // A reader that is still at work calls this method when it has finished.
    if (this.#isReadingUnresponsive || this.#next(true) !== undefined) return;
    this.#isReadingUnresponsive = true;
    const readAll = async (): Promise<void> => {
      for (let next = this.#next(false); next !== undefined && client.isOpen; next = this.#next(false)) {
        const transients = await this.#currentTransients(client);
        // Removed before the read: a domain that changes during the read is read again.
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
      if (!this.#underWay.has(runAndName(domain)) && this.#responds(domain) === responsive) return domain;
    return undefined;
  }

  #responds(domain: DomainRef): boolean {
    return !this.#occupied.has(domainRunId(domain)) && !this.#options.isUnresponsive(domain);
  }

  async #readNext(client: ConfigurationClient): Promise<void> {
    const transients = await this.#currentTransients(client);
    const domain = this.#next(true);
    if (domain === undefined) return;
    // Removed before the read: a domain that changes during the read is read again.
    this.#changed.delete(domain.uuid);
    this.#underWay.add(runAndName(domain));
    const isOccupied = await client.isMonitorOccupied(domain).finally(() => {
      this.#underWay.delete(runAndName(domain));
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
    this.#underWay.add(run);
    const pending = readDomain(client, domain, transients.has(domain.uuid), this.#documents);
    if (!(await settledWithin(pending, client.timeoutMs))) this.#options.onTimeout(domain, client.timeoutMs);
    const result = await pending
      .catch((error: unknown) => {
        if (!this.#changed.has(domain.uuid)) this.#changed.set(domain.uuid, domain);
        throw error;
      })
      .finally(() => {
        this.#underWay.delete(run);
      });
    this.#options.onRead(domain, result);
  }

  /** Uuids of the domains that exist only while they run, from a list that was sent after the last change. */
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

/** A renamed domain keeps its uuid, but a result for the old name does not apply to the new name. */
function runAndName(domain: DomainRef): string {
  return `${domainRunId(domain)} ${domain.name}`;
}
