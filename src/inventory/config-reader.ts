import { settledWithin } from '../concurrency.ts';
import type { LibvirtClient } from '../daemon/event-client.ts';
import { MAX_IN_FLIGHT } from '../libvirt/rpc-connection.ts';
import type { DomainRef } from '../libvirt/types.ts';
import { type DomainReading, readDomain } from './read-domain.ts';

/** Two places on the connection stay free: one for the scrape's own call, one for the domain that is read with patience. */
const READERS = MAX_IN_FLIGHT - 2;
/** A domain takes a millisecond or two to read; one that takes this long is busy, and nobody waits for it. */
const LONG_MS = 1_000;

export interface ConfigReaderOptions {
  /** What else is to be known of the moment before a domain is read. */
  readonly prepare: (client: LibvirtClient) => Promise<void>;
  readonly onRead: (client: LibvirtClient, domain: DomainRef, reading: DomainReading) => void;
  /** The domain keeps libvirt waiting; what comes of it is told when it comes. */
  readonly onLate: (domain: DomainRef, afterMs: number) => void;
  /** What was to be read still is, at the next occasion. */
  readonly onInterrupted: (error: unknown) => void;
}

/** One reader at one domain. */
interface Step {
  /** performance.now() milliseconds. */
  readonly begun: number;
  readonly ended: Promise<unknown>;
}

/**
 * Reads domains' configurations: the changed ones at once; those whose QEMU hangs with patience, one after the other, so
 * that they keep one place on the connection busy and not all of them.
 */
export class ConfigReader {
  readonly #options: ConfigReaderOptions;
  #client: LibvirtClient | undefined;
  readonly #changed = new Map<string, DomainRef>();
  /** Being read. Not a second time at once: the older answer could come last. */
  readonly #inHand = new Set<string>();
  readonly #steps = new Set<Step>();
  #readers = 0;
  #transients: Promise<ReadonlySet<string>> | undefined;
  #patient: Promise<void> | undefined;
  /** Those that were read with patience since all had their turn. */
  readonly #hadTurn = new Set<string>();

  constructor(options: ConfigReaderOptions) {
    this.#options = options;
  }

  connected(client: LibvirtClient): void {
    this.#client = client;
    this.#transients = undefined;
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
    this.#hadTurn.delete(uuid);
  }

  /** Whether a reading of the domain is to come or under way. */
  isPending(uuid: string): boolean {
    return this.#changed.has(uuid) || this.#inHand.has(uuid);
  }

  /** Reads what is to be read, in the background. */
  read(): void {
    const client = this.#client;
    if (client === undefined) return;
    for (let toRead = this.#changed.size; toRead > 0 && this.#readers < READERS; toRead--) {
      this.#readers += 1;
      this.#readChanged(client)
        .catch(this.#options.onInterrupted)
        .finally(() => {
          this.#readers -= 1;
          if (client !== this.#client) this.read();
        });
    }
  }

  /**
   * Waits until all that changed is read, until `deadline` (performance.now() milliseconds) at most, and not for a domain
   * that takes long.
   */
  async settled(deadline: number): Promise<void> {
    for (;;) {
      const now = performance.now();
      const swift = [...this.#steps].filter(({ begun }) => now - begun < LONG_MS);
      if (swift.length === 0 || now >= deadline) return;
      const until = Math.min(deadline, ...swift.map(({ begun }) => begun + LONG_MS));
      await settledWithin(Promise.race(swift.map(({ ended }) => ended)), until - now);
    }
  }

  /**
   * Reads one of the domains with patience, if none is being read so: in turn, the one that has waited longest. Resolves
   * when the reading is over.
   */
  readPatiently(domains: readonly DomainRef[]): Promise<void> {
    this.#patient ??= this.#readNextPatiently(domains)
      .catch(this.#options.onInterrupted)
      .finally(() => {
        this.#patient = undefined;
      });
    return this.#patient;
  }

  async #readNextPatiently(domains: readonly DomainRef[]): Promise<void> {
    const client = this.#client;
    if (client?.isOpen !== true) return;
    const transients = await this.#currentTransients(client);
    const idle = domains.filter(({ uuid }) => !this.isPending(uuid));
    if (idle.every(({ uuid }) => this.#hadTurn.has(uuid))) this.#hadTurn.clear();
    const domain = idle.find(({ uuid }) => !this.#hadTurn.has(uuid));
    if (domain === undefined) return;
    this.#hadTurn.add(domain.uuid);
    await this.#readOne(client, domain, transients, true);
    this.read(); // it may have changed meanwhile
  }

  async #readChanged(client: LibvirtClient): Promise<void> {
    while (client.isOpen && this.#next() !== undefined) {
      const step: Step = { begun: performance.now(), ended: this.#readNext(client) };
      this.#steps.add(step);
      try {
        await step.ended;
      } finally {
        this.#steps.delete(step);
      }
    }
  }

  #next(): DomainRef | undefined {
    for (const domain of this.#changed.values()) if (!this.#inHand.has(domain.uuid)) return domain;
    return undefined;
  }

  async #readNext(client: LibvirtClient): Promise<void> {
    const transients = await this.#currentTransients(client);
    const domain = this.#next();
    if (domain === undefined) return;
    // Taken off the list before it is read: what changes during the reading is read once more.
    this.#changed.delete(domain.uuid);
    await this.#readOne(client, domain, transients, false);
  }

  async #readOne(
    client: LibvirtClient,
    domain: DomainRef,
    transients: ReadonlySet<string>,
    patience: boolean,
  ): Promise<void> {
    this.#inHand.add(domain.uuid);
    const reading = readDomain(client, domain, transients.has(domain.uuid), patience);
    if (!(await settledWithin(reading, client.timeoutMs))) this.#options.onLate(domain, client.timeoutMs);
    const read = await reading;
    this.#inHand.delete(domain.uuid);
    this.#options.onRead(client, domain, read);
  }

  /** The domains that exist only while they run, asked for after the last change was announced. */
  async #currentTransients(client: LibvirtClient): Promise<ReadonlySet<string>> {
    for (;;) {
      this.#transients ??= this.#askTransients(client);
      const asked = this.#transients;
      try {
        const transients = await asked;
        if (asked === this.#transients) return transients;
      } catch (error) {
        if (asked === this.#transients) this.#transients = undefined;
        throw error;
      }
    }
  }

  async #askTransients(client: LibvirtClient): Promise<ReadonlySet<string>> {
    const [domains] = await Promise.all([client.transientDomains(), this.#options.prepare(client)]);
    return new Set(domains.map(({ uuid }) => uuid));
  }
}
