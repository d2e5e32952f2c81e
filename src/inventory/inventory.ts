import type { Logger } from 'pino';
import { settledWithin } from '../concurrency.ts';
import type { ConfigurationClient, DomainStateRecord } from '../daemon/configuration-client.ts';
import { formatVersion } from '../daemon/event-client.ts';
import { type DomainEvent, Lifecycle } from '../libvirt/events.ts';
import type { DomainRef } from '../libvirt/types.ts';
import { ConfigReader } from './config-reader.ts';
import { DomainList, type Listing } from './domain-list.ts';
import type { DomainRecord, RecordProblem } from './domain-record.ts';
import { type HypervisorInfo, readHypervisor } from './hypervisor.ts';
import { type LifecycleEventName, lifecycleEventName, NO_EVENTS } from './lifecycle-events.ts';
import type { DomainReadResult } from './read-domain.ts';

/** Of the time that a scrape has; the rest is for what was read to be measured and served. */
const READING_SHARE = 0.5;
const RESYNC_BATCH = 16;
/** Code of the problem of a domain for which libvirt has not answered in time. */
const TIMED_OUT = 'ERR_LIBVIRT_TIMEOUT';

export interface InventoryOptions {
  readonly log: Logger;
  /** Whether the domain's QEMU is known not to respond. */
  readonly isUnresponsive: (domain: DomainRef) => boolean;
}

/** A domain as one scrape sees it. */
export interface DomainView extends DomainRecord {
  /** virDomainState. */
  readonly state: number;
}

export interface InventorySnapshot {
  readonly hypervisor: HypervisorInfo | undefined;
  readonly domains: readonly DomainView[];
}

/**
 * Every domain of the hypervisor with its configuration, kept up to date by domain events. A domain's XML is
 * read when it is first seen and again only when an event or its state says that it changed; a slow resync
 * catches what libvirt announces to nobody (`virsh setvcpus --config`, for one).
 */
export class Inventory {
  readonly #log: Logger;
  readonly #reader: ConfigReader;
  #client: ConfigurationClient | undefined;
  #hypervisor: HypervisorInfo | undefined;
  #hypervisorProblem: string | undefined;
  #hypervisorReading: Promise<void> | undefined;
  readonly #records = new Map<string, DomainRecord>();
  readonly #startedUnversioned = new Set<string>();
  #events = 0;
  /** Number of the last event about each domain. */
  readonly #lastEvents = new Map<string, number>();
  readonly #list = new DomainList(() => this.#events);

  constructor({ log, isUnresponsive }: InventoryOptions) {
    this.#log = log;
    this.#reader = new ConfigReader({
      prepare: (client) => this.#rememberStartVersion(client),
      isUnresponsive,
      onRead: (domain, result) => this.#noteResult(domain, result),
      onTimeout: (domain, afterMs) => this.#noteTimeout(domain, afterMs),
      onInterrupted: (error) => log.debug({ err: error }, 'reading domains was interrupted'),
    });
  }

  /** A new connection: whatever happened meanwhile went unseen, so everything is read again. */
  connected(client: ConfigurationClient): void {
    this.#client = client;
    this.refreshHypervisor();
    for (const [uuid, record] of this.#records) {
      // Ids may be given anew, and a domain may have been restarted: the same id no longer means the same run.
      this.#records.set(uuid, { ...record, startObserved: false });
    }
    this.#reader.connected(client);
    this.#readAgain(this.#records.values());
    // Guests are probed whether somebody scrapes or not, so what runs is listed now.
    this.#list.ask(client).then(
      (listing) => this.#reconcile(listing),
      (error: unknown) => this.#log.debug({ err: error }, 'listing domains was interrupted'),
    );
  }

  handleEvent(event: DomainEvent): void {
    this.#events += 1;
    this.#noteEvent(event);
    const { uuid } = event.domain;
    if (this.#records.has(uuid)) this.#lastEvents.set(uuid, this.#events);
  }

  #noteEvent(event: DomainEvent): void {
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
   * Lists all domains with one call, reads what changed, and returns the whole picture. Waits for what is read for a part
   * of the time until `deadline` (performance.now() milliseconds) at most; past it, serves what was known before.
   * @throws LibvirtTransportError or LibvirtServerError when the list cannot be had
   */
  async snapshot(client: ConfigurationClient, deadline: number): Promise<InventorySnapshot> {
    const listing = await this.#list.latest(client, deadline);
    this.#reconcile(listing);
    this.#reader.read();
    const now = performance.now();
    const until = now + READING_SHARE * (deadline - now);
    await this.#reader.settled(until);
    if (this.#hypervisor?.capabilities === undefined && this.#hypervisorReading !== undefined) {
      await settledWithin(this.#hypervisorReading, Math.max(0, until - performance.now()));
    }
    return { hypervisor: this.#hypervisor, domains: this.#view(listing.states) };
  }

  /** Reads every domain once more, a few at a time, so that neither libvirt nor a scrape notices. */
  async resync(): Promise<void> {
    const client = this.#client;
    if (client?.isOpen !== true) return;
    this.refreshHypervisor();
    this.#reconcile(await this.#list.ask(client));
    const all = [...this.#records.values()];
    for (let start = 0; start < all.length && client.isOpen; start += RESYNC_BATCH) {
      this.#readAgain(all.slice(start, start + RESYNC_BATCH).filter(({ uuid }) => this.#records.has(uuid)));
      await this.#reader.settled(Number.POSITIVE_INFINITY);
    }
  }

  /** Reads again what could not be read the last time. No scrape waits for it. */
  async retryFailed(): Promise<void> {
    if (this.#client?.isOpen !== true) return;
    if (this.#hypervisor !== undefined && this.#hypervisor.problems.length > 0) this.refreshHypervisor();
    for (const record of this.#records.values())
      if (record.problem !== undefined && !this.#reader.isPending(record)) this.#markChanged(record);
    this.#reader.retry();
    await this.#reader.settled(Number.POSITIVE_INFINITY);
  }

  /** Those that could not be read the last time are left to {@link retryFailed}, and keep nobody waiting. */
  #readAgain(records: Iterable<DomainRecord>): void {
    for (const record of records) if (record.problem === undefined) this.#markChanged(record);
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

  #reconcile({ states, lastEvent }: Listing): void {
    const knowsBetter = (uuid: string): boolean => (this.#lastEvents.get(uuid) ?? 0) > lastEvent;
    const listed = new Set<string>();
    for (const { domain } of states) {
      listed.add(domain.uuid);
      const record = this.#records.get(domain.uuid);
      const neverRead =
        record?.current === undefined && record?.problem === undefined && !this.#reader.isPending(domain);
      const differs = record === undefined || record.id !== domain.id || record.name !== domain.name;
      if (neverRead || (differs && !knowsBetter(domain.uuid))) this.#markChanged(domain);
    }
    for (const uuid of this.#records.keys()) {
      if (!listed.has(uuid) && !knowsBetter(uuid)) this.#forget(uuid);
    }
  }

  #markChanged({ uuid, name, id }: DomainRef): void {
    const domain = { uuid, name, id };
    this.#update(domain, {});
    this.#reader.add(domain);
  }

  #noteResult(domain: DomainRef, result: DomainReadResult): void {
    // Another run began, or the domain was renamed or forgotten, while this was read: it is about what is no more.
    const record = this.#records.get(domain.uuid);
    if (record?.id !== domain.id || record.name !== domain.name) return;
    if (result.status === 'gone') {
      this.#forget(domain.uuid);
    } else if (result.status === 'failed') {
      this.#failed(domain, result.problem);
    } else {
      const { current, persistent } = result;
      const recovered = this.#records.get(domain.uuid)?.problem !== undefined;
      if (recovered) this.#log.info({ domain: domain.name }, 'domain can be read again');
      this.#update(domain, { current, persistent, problem: undefined });
    }
  }

  #noteTimeout(domain: DomainRef, afterMs: number): void {
    const record = this.#records.get(domain.uuid);
    if (record?.id !== domain.id || record.problem !== undefined) return;
    const message = `no configuration within ${afterMs} ms: the domain is busy, or its QEMU does not respond`;
    this.#failed(domain, { code: TIMED_OUT, message });
  }

  #failed(domain: DomainRef, problem: RecordProblem): void {
    const before = this.#records.get(domain.uuid)?.problem;
    // The error that follows a timeout is the same trouble.
    if (before === undefined || (before.code !== problem.code && before.code !== TIMED_OUT)) {
      this.#log.warn(
        { domain: domain.name, ...problem },
        'the configuration of this domain cannot be read: its last known values are served',
      );
    }
    this.#update(domain, { problem });
  }

  #update({ uuid, name, id }: DomainRef, change: Partial<DomainRecord>): void {
    const before = this.#records.get(uuid);
    // What was seen of a start belongs to that run only; where the id does not tell, others may.
    const keepsStart = before !== undefined && (before.id === id || !before.startObserved);
    this.#records.set(uuid, {
      current: undefined,
      persistent: undefined,
      events: NO_EVENTS,
      problem: undefined,
      ...before,
      startedWithVersion: keepsStart ? before.startedWithVersion : undefined,
      startObservedSeconds: keepsStart ? before.startObservedSeconds : undefined,
      startObserved: keepsStart ? before.startObserved : true,
      ...change,
      uuid,
      name,
      id,
    });
  }

  #forget(uuid: string): void {
    this.#records.delete(uuid);
    this.#lastEvents.delete(uuid);
    this.#startedUnversioned.delete(uuid);
    this.#reader.forget(uuid);
  }

  #count(domain: DomainRef, name: LifecycleEventName): void {
    const events = this.#records.get(domain.uuid)?.events ?? NO_EVENTS;
    this.#update(domain, { events: { ...events, [name]: events[name] + 1 } });
  }

  #sawStart(domain: DomainRef): void {
    const startObservedSeconds = Date.now() / 1000;
    this.#update(domain, { startObservedSeconds, startedWithVersion: undefined, startObserved: true });
    this.#startedUnversioned.add(domain.uuid);
  }

  async #rememberStartVersion(client: ConfigurationClient): Promise<void> {
    if (this.#startedUnversioned.size === 0) return;
    const started = [...this.#startedUnversioned];
    const startedWithVersion = formatVersion(await client.hypervisorVersion());
    for (const uuid of started) {
      this.#startedUnversioned.delete(uuid);
      const record = this.#records.get(uuid);
      if (record !== undefined) this.#update(record, { startedWithVersion });
    }
  }

  async #readHypervisor(client: ConfigurationClient): Promise<void> {
    const info = await readHypervisor(client, this.#hypervisor);
    if (!client.isOpen) return;
    this.#hypervisor = info;
    const problem = info.problems.map(({ message }) => message).join('; ');
    if (problem !== this.#hypervisorProblem && problem !== '') {
      this.#log.warn({ problem }, 'some information about the hypervisor cannot be read');
    }
    this.#hypervisorProblem = problem;
  }
}
