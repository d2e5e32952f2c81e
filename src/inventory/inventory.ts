import type { Logger } from 'pino';
import { forEachLimited, settledWithin } from '../concurrency.ts';
import { type DomainStateRecord, formatVersion, type LibvirtClient } from '../libvirt/client.ts';
import { MAX_IN_FLIGHT } from '../libvirt/connection.ts';
import { type DomainEvent, Lifecycle } from '../libvirt/events.ts';
import type { DomainRef } from '../libvirt/wire-types.ts';
import type { DomainRecord, RecordProblem } from './domain-record.ts';
import { type HypervisorFacts, readHypervisor } from './hypervisor.ts';
import { type LifecycleEventName, lifecycleEventName, NO_EVENTS } from './lifecycle-events.ts';
import { readDomain } from './read-domain.ts';

/** The last place on the connection stays free for the scrape's own call. */
const READERS = MAX_IN_FLIGHT - 1;
/** A changed domain takes a millisecond or two to read; one that takes this long is busy. */
const CHANGES_WAIT_MS = 1_000;
const RESYNC_BATCH = 16;

/** A domain as one scrape sees it. */
export interface DomainView extends DomainRecord {
  /** virDomainState. */
  readonly state: number;
}

export interface InventorySnapshot {
  readonly hypervisor: HypervisorFacts | undefined;
  readonly domains: readonly DomainView[];
}

/**
 * Every domain of the hypervisor with its configuration, kept up to date by domain events. A domain's XML is
 * read when it is first seen and again only when an event or its state says that it changed; a slow resync
 * catches what libvirt announces to nobody (`virsh setvcpus --config`, for one).
 */
export class Inventory {
  readonly #log: Logger;
  #client: LibvirtClient | undefined;
  #hypervisor: HypervisorFacts | undefined;
  #hypervisorProblem: string | undefined;
  #hypervisorReading: Promise<void> | undefined;
  readonly #records = new Map<string, DomainRecord>();
  readonly #changed = new Map<string, DomainRef>();
  readonly #startedUnversioned = new Set<string>();
  #reading: Promise<void> | undefined;
  /** The first full reading is over; from then on a scrape has something to serve while changes are read. */
  #everRead = false;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** A new connection: whatever happened meanwhile went unseen, so everything is read again. */
  connected(client: LibvirtClient): void {
    this.#client = client;
    this.refreshHypervisor();
    for (const [uuid, record] of this.#records) {
      // A restarted daemon gives ids anew, so the same id no longer means the same run.
      this.#records.set(uuid, { ...record, startedWithVersion: undefined, startSeenSeconds: undefined });
      this.#changed.set(uuid, record);
    }
    this.#readChanged();
    // Guests are probed whether somebody scrapes or not, so what runs is listed now.
    client.domainStates().then(
      (states) => this.#reconcile(states),
      (error: unknown) => this.#log.debug({ err: error }, 'listing domains was interrupted'),
    );
  }

  handleEvent(event: DomainEvent): void {
    const { domain } = event;
    const counted = lifecycleEventName(event);
    if (counted !== undefined) this.#count(domain, counted);
    if (event.kind === 'reboot') return;
    if (event.kind === 'lifecycle') {
      if (event.event === Lifecycle.started) this.#sawStart(domain);
      const changesConfiguration =
        event.event === Lifecycle.defined ||
        event.event === Lifecycle.undefined ||
        event.event === Lifecycle.started ||
        event.event === Lifecycle.stopped;
      if (!changesConfiguration) return;
    }
    this.#markChanged(domain);
  }

  /** Reads a domain anew that was changed in a way libvirt does not announce. */
  reread(domain: DomainRef): void {
    if (this.#records.has(domain.uuid)) this.#markChanged(domain);
  }

  /** The domains that run, as far as they have been read. */
  *running(): Generator<DomainRecord> {
    for (const record of this.#records.values()) {
      if (record.id >= 0 && record.current !== undefined) yield record;
    }
  }

  /** Reads the emulator's version and offers again, in the background. */
  refreshHypervisor(): void {
    const client = this.#client;
    if (client === undefined) return;
    this.#hypervisorReading ??= this.#readHypervisor(client).finally(() => {
      this.#hypervisorReading = undefined;
    });
  }

  /**
   * Lists all domains with one call, reads what changed, and returns the whole picture. Waits for reads at
   * most until `deadline` (performance.now() milliseconds); past it, serves what was known before.
   * @throws LibvirtTransportError or LibvirtServerError when the list cannot be had
   */
  async snapshot(client: LibvirtClient, deadline: number): Promise<InventorySnapshot> {
    const remaining = (): number => Math.max(1, deadline - performance.now());
    const states = await client.domainStates(remaining());
    this.#reconcile(states);
    this.#readChanged();
    if (this.#reading !== undefined) {
      const patience = this.#everRead ? Math.min(remaining(), CHANGES_WAIT_MS) : remaining();
      this.#everRead = (await settledWithin(this.#reading, patience)) || this.#everRead;
    }
    if (this.#hypervisor === undefined && this.#hypervisorReading !== undefined) {
      await settledWithin(this.#hypervisorReading, remaining());
    }
    return { hypervisor: this.#hypervisor, domains: this.#view(states) };
  }

  /** Reads every domain once more, a few at a time, so that neither libvirt nor a scrape notices. */
  async resync(): Promise<void> {
    const client = this.#client;
    if (client?.isOpen !== true) return;
    this.refreshHypervisor();
    this.#reconcile(await client.domainStates());
    const all = [...this.#records.values()];
    for (let start = 0; start < all.length && client.isOpen; start += RESYNC_BATCH) {
      for (const record of all.slice(start, start + RESYNC_BATCH)) {
        if (this.#records.has(record.uuid)) this.#markChanged(record);
      }
      await this.#reading;
    }
  }

  /** Reads again those domains whose last reading failed. No scrape waits for these. */
  async retryFailed(): Promise<void> {
    const client = this.#client;
    const failed = [...this.#records.values()].filter(({ problem }) => problem !== undefined);
    if (client?.isOpen !== true || failed.length === 0) return;
    const transient = await transientUuids(client);
    for (const record of failed) await this.#read(client, record, transient);
  }

  #view(states: readonly DomainStateRecord[]): DomainView[] {
    const views: DomainView[] = [];
    const names = new Set<string>();
    for (const { domain, state } of states) {
      const record = this.#records.get(domain.uuid);
      // A rename between two entries of the list could repeat a name, and a repeated series spoils the scrape.
      if (record === undefined || names.has(record.name)) continue;
      names.add(record.name);
      views.push({ ...record, state });
    }
    return views;
  }

  #reconcile(states: readonly DomainStateRecord[]): void {
    const listed = new Set<string>();
    for (const { domain } of states) {
      listed.add(domain.uuid);
      const record = this.#records.get(domain.uuid);
      const neverRead = record?.current === undefined && record?.problem === undefined;
      if (neverRead || record.id !== domain.id || record.name !== domain.name) this.#markChanged(domain);
    }
    for (const uuid of this.#records.keys()) {
      if (!listed.has(uuid)) this.#forget(uuid);
    }
  }

  #markChanged({ uuid, name, id }: DomainRef): void {
    this.#update({ uuid, name, id }, {});
    this.#changed.set(uuid, { uuid, name, id });
    this.#readChanged();
  }

  #readChanged(): void {
    const client = this.#client;
    if (client === undefined || this.#changed.size === 0) return;
    this.#reading ??= this.#drain(client)
      .catch((error: unknown) => this.#log.debug({ err: error }, 'reading changed domains was interrupted'))
      .finally(() => {
        this.#reading = undefined;
        if (client !== this.#client) this.#readChanged();
      });
  }

  async #drain(client: LibvirtClient): Promise<void> {
    while (client.isOpen && this.#changed.size > 0) {
      const transient = await transientUuids(client);
      await this.#rememberStartVersion(client);
      // Taken off the list before it is read: what changes during the reading is read once more.
      const batch = [...this.#changed.values()];
      this.#changed.clear();
      await forEachLimited(batch, READERS, (domain) => this.#read(client, domain, transient));
    }
  }

  async #read(client: LibvirtClient, domain: DomainRef, transient: ReadonlySet<string>): Promise<void> {
    const reading = await readDomain(client, domain, transient.has(domain.uuid));
    // Another run began, or the domain was forgotten, while this was read: it is about what is no more.
    if (this.#records.get(domain.uuid)?.id !== domain.id) return;
    if (reading.outcome === 'gone') {
      this.#forget(domain.uuid);
    } else if (reading.outcome === 'failed') {
      // A lost connection says nothing about the domain; reconnecting reads it again.
      if (client.isOpen) this.#failed(domain, reading.problem);
    } else {
      const { current, persistent } = reading;
      const recovered = this.#records.get(domain.uuid)?.problem !== undefined;
      if (recovered) this.#log.info({ domain: domain.name }, 'domain can be read again');
      this.#update(domain, { current, persistent, problem: undefined });
    }
  }

  #failed(domain: DomainRef, problem: RecordProblem): void {
    const before = this.#records.get(domain.uuid)?.problem;
    if (before?.code !== problem.code) {
      this.#log.warn(
        { domain: domain.name, ...problem },
        'domain cannot be read; what was known of it stays',
      );
    }
    this.#update(domain, { problem });
  }

  #update({ uuid, name, id }: DomainRef, change: Partial<DomainRecord>): void {
    const before = this.#records.get(uuid);
    // What was seen of a start belongs to that run only.
    const sameRun = before?.id === id;
    this.#records.set(uuid, {
      current: undefined,
      persistent: undefined,
      events: NO_EVENTS,
      problem: undefined,
      ...before,
      startedWithVersion: sameRun ? before.startedWithVersion : undefined,
      startSeenSeconds: sameRun ? before.startSeenSeconds : undefined,
      ...change,
      uuid,
      name,
      id,
    });
  }

  #forget(uuid: string): void {
    this.#records.delete(uuid);
    this.#changed.delete(uuid);
    this.#startedUnversioned.delete(uuid);
  }

  #count(domain: DomainRef, name: LifecycleEventName): void {
    const events = this.#records.get(domain.uuid)?.events ?? NO_EVENTS;
    this.#update(domain, { events: { ...events, [name]: events[name] + 1 } });
  }

  #sawStart(domain: DomainRef): void {
    this.#update(domain, { startSeenSeconds: Date.now() / 1000, startedWithVersion: undefined });
    this.#startedUnversioned.add(domain.uuid);
  }

  async #rememberStartVersion(client: LibvirtClient): Promise<void> {
    if (this.#startedUnversioned.size === 0) return;
    const started = [...this.#startedUnversioned];
    this.#startedUnversioned.clear();
    const startedWithVersion = formatVersion(await client.hypervisorVersion());
    for (const uuid of started) {
      const record = this.#records.get(uuid);
      if (record !== undefined) this.#update(record, { startedWithVersion });
    }
  }

  async #readHypervisor(client: LibvirtClient): Promise<void> {
    const facts = await readHypervisor(client);
    if (!client.isOpen) return;
    this.#hypervisor = {
      ...facts,
      // A passing failure does not take away what was known.
      capabilities: facts.capabilities ?? this.#hypervisor?.capabilities,
    };
    const problem = facts.problems.map(({ message }) => message).join('; ');
    if (problem !== this.#hypervisorProblem && problem !== '') {
      this.#log.warn({ problem }, 'some facts about the hypervisor cannot be read');
    }
    this.#hypervisorProblem = problem;
  }
}

async function transientUuids(client: LibvirtClient): Promise<ReadonlySet<string>> {
  return new Set((await client.transientDomains()).map(({ uuid }) => uuid));
}
