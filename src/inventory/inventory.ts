import type { Logger } from 'pino';
import { settledWithin } from '../concurrency.ts';
import type { ConfigurationClient, DomainStateRecord } from '../daemon/configuration-client.ts';
import { formatVersion } from '../daemon/event-client.ts';
import { type DomainEvent, Lifecycle } from '../libvirt/events.ts';
import type { DomainRef } from '../libvirt/types.ts';
import { ConfigReader } from './config-reader.ts';
import { afterDiskEvent, NO_DISK_EVENTS } from './disk-events.ts';
import { DomainList, type Listing } from './domain-list.ts';
import type { DomainRecord, RecordProblem } from './domain-record.ts';
import type { HypervisorInfo } from './hypervisor.ts';
import { HypervisorReader } from './hypervisor-reader.ts';
import { type LifecycleEventName, lifecycleEventName, NO_EVENTS } from './lifecycle-events.ts';
import { type ManagedSave, ManagedSaves } from './managed-saves.ts';
import type { DomainReadResult } from './read-domain.ts';

/** Share of the scrape's time for reading configurations; the rest is for statistics and the response. */
const CONFIG_SHARE = 0.5;
/** Listing and reading managed save images takes some milliseconds. No scrape waits for longer. */
const SAVES_MS = 500;
const RESYNC_BATCH = 16;
/** Code of a domain's problem when libvirt does not return the configuration in time. */
const TIMED_OUT = 'ERR_LIBVIRT_TIMEOUT';

export interface InventoryOptions {
  readonly log: Logger;
  /** Whether the domain's QEMU does not respond. */
  readonly isUnresponsive: (domain: DomainRef) => boolean;
}

/** A domain in one scrape. */
export interface DomainView extends DomainRecord {
  /** virDomainState. */
  readonly state: number;
  /** The domain's managed save image; `none` when it has none, undefined when that is unknown. */
  readonly managedSave: ManagedSave | 'none' | undefined;
  /** Reason of the state: virDomainRunningReason, virDomainPausedReason, … */
  readonly reason: number;
}

export interface InventorySnapshot {
  readonly hypervisor: HypervisorInfo | undefined;
  readonly domains: readonly DomainView[];
}

/**
 * Every domain of the hypervisor with its configuration. A domain's XML is read when the domain is first listed, and again
 * after an event or when its name or run has changed. A resync every five minutes finds changes without an event, such as
 * `virsh setvcpus --config`.
 */
export class Inventory {
  readonly #log: Logger;
  readonly #reader: ConfigReader;
  #client: ConfigurationClient | undefined;
  readonly #hypervisor: HypervisorReader;
  readonly #managedSaves = new ManagedSaves();
  readonly #records = new Map<string, DomainRecord>();
  readonly #startedUnversioned = new Set<string>();
  #events = 0;
  /** Number of the last event about each domain. */
  readonly #lastEvents = new Map<string, number>();
  readonly #list = new DomainList(() => this.#events);

  constructor({ log, isUnresponsive }: InventoryOptions) {
    this.#log = log;
    this.#hypervisor = new HypervisorReader(log);
    this.#reader = new ConfigReader({
      prepare: (client) => this.#rememberStartVersion(client),
      isUnresponsive,
      onRead: (domain, result) => this.#noteResult(domain, result),
      onTimeout: (domain, afterMs) => this.#noteTimeout(domain, afterMs),
      onInterrupted: (error) => log.debug({ err: error }, 'reading domains was interrupted'),
    });
  }

  /** Reads everything again over a new connection: changes since the last connection were not announced. */
  connected(client: ConfigurationClient): void {
    this.#client = client;
    this.#hypervisor.connected(client);
    this.#managedSaves.connected();
    for (const [uuid, record] of this.#records) {
      // A restarted daemon may give the same id to another run, and a resume may have been missed.
      const diskEvents = { ...record.diskEvents, pausedBy: NO_DISK_EVENTS.pausedBy };
      this.#records.set(uuid, { ...record, diskEvents, startObserved: false });
    }
    this.#reader.connected(client);
    this.#readAgain(this.#records.values());
    // The domains are listed now, because guests are probed also when nothing scrapes the exporter.
    this.#list.fetch(client).then(
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
    const record = this.#records.get(domain.uuid);
    const before = record?.diskEvents ?? NO_DISK_EVENTS;
    const diskEvents = afterDiskEvent(before, event, record?.current);
    if (diskEvents !== before) this.#update(domain, { diskEvents });
    if (event.kind === 'io-error' || event.kind === 'block-threshold') return;
    if (event.kind === 'reboot') return;
    if (event.kind === 'lifecycle') {
      if (event.event === Lifecycle.started) this.#observeStart(domain);
      const changesConfiguration =
        event.event === Lifecycle.defined ||
        event.event === Lifecycle.undefined ||
        event.event === Lifecycle.started ||
        event.event === Lifecycle.stopped ||
        // libvirt pauses a domain while it makes a snapshot of its memory.
        event.event === Lifecycle.resumed;
      if (!changesConfiguration) return;
    }
    this.#markChanged(domain);
  }

  /** Reads a domain again after a change that libvirt does not announce. */
  reread(domain: DomainRef): void {
    if (this.#records.has(domain.uuid)) this.#markChanged(domain);
  }

  /** Waits until domains that changed are read, as {@link Inventory.snapshot} does. */
  settled(deadline: number): Promise<void> {
    return this.#reader.settled(deadline);
  }

  /** The domains of a snapshot with what has been read since. A domain of which another run has begun stays as it was. */
  latest(views: readonly DomainView[]): DomainView[] {
    return views.map((view) => {
      const record = this.#records.get(view.uuid);
      return record?.id === view.id && record.name === view.name ? { ...view, ...record } : view;
    });
  }

  /** The running domains whose configuration has been read. */
  *running(): Generator<DomainRecord> {
    for (const record of this.#records.values()) {
      if (record.id >= 0 && record.current !== undefined) yield record;
    }
  }

  /** Versions and capabilities of the hypervisor, as last read. */
  get hypervisor(): HypervisorInfo | undefined {
    return this.#hypervisor.current;
  }

  /** Reads the hypervisor's versions and capabilities again. Resolves when they have been read; never rejects. */
  refreshHypervisor(): Promise<void> {
    return this.#hypervisor.refresh();
  }

  /**
   * Lists all domains with one call, reads the changed ones and returns all. Waits for changed domains during half of the
   * time until `deadline` (performance.now() milliseconds) at most; after that, returns their earlier configurations.
   * @throws LibvirtTransportError or LibvirtServerError when libvirt does not list the domains
   */
  async snapshot(client: ConfigurationClient, deadline: number): Promise<InventorySnapshot> {
    const listing = await this.#list.latest(client, deadline);
    this.#reconcile(listing);
    this.#reader.read();
    const now = performance.now();
    const until = now + CONFIG_SHARE * (deadline - now);
    const saves = this.#managedSaves.refresh(client);
    await this.#reader.settled(until);
    const remainingMs = (): number => Math.max(0, until - performance.now());
    await settledWithin(saves, Math.min(SAVES_MS, remainingMs()));
    const { underWay } = this.#hypervisor;
    if (this.hypervisor?.capabilities === undefined && underWay !== undefined) {
      await settledWithin(underWay, remainingMs());
    }
    return { hypervisor: this.hypervisor, domains: this.#view(listing.states) };
  }

  /** Reads every domain again, a few at a time, so that scrapes and other clients of libvirt do not wait. */
  async resync(): Promise<void> {
    const client = this.#client;
    if (client?.isOpen !== true) return;
    void this.refreshHypervisor();
    this.#reconcile(await this.#list.fetch(client));
    const all = [...this.#records.values()];
    for (let start = 0; start < all.length && client.isOpen; start += RESYNC_BATCH) {
      this.#readAgain(all.slice(start, start + RESYNC_BATCH).filter(({ uuid }) => this.#records.has(uuid)));
      await this.#reader.settled(Number.POSITIVE_INFINITY);
    }
  }

  /** Reads domains and hypervisor values again whose last read failed. No scrape waits for this. */
  async retryFailed(): Promise<void> {
    if (this.#client?.isOpen !== true) return;
    this.#hypervisor.retry();
    for (const record of this.#records.values())
      if (record.problem !== undefined && !this.#reader.isPending(record)) this.#markChanged(record);
    this.#reader.retry();
    await this.#reader.settled(Number.POSITIVE_INFINITY);
  }

  /** Leaves domains whose last read failed to {@link retryFailed}, so that no caller waits for them. */
  #readAgain(records: Iterable<DomainRecord>): void {
    for (const record of records) if (record.problem === undefined) this.#markChanged(record);
  }

  #view(states: readonly DomainStateRecord[]): DomainView[] {
    const views: DomainView[] = [];
    const names = new Set<string>();
    for (const { domain, state, reason } of states) {
      const record = this.#records.get(domain.uuid);
      // A rename while libvirt lists the domains can repeat a name, and Prometheus rejects a scrape with a repeated series.
      if (record === undefined || names.has(record.name)) continue;
      names.add(record.name);
      views.push({ ...record, state, reason, managedSave: this.#managedSaves.of(domain.uuid) });
    }
    return views;
  }

  #reconcile({ states, lastEvent }: Listing): void {
    const isNewer = (uuid: string): boolean => (this.#lastEvents.get(uuid) ?? 0) > lastEvent;
    const listed = new Set<string>();
    for (const { domain } of states) {
      listed.add(domain.uuid);
      const record = this.#records.get(domain.uuid);
      const neverRead =
        record?.current === undefined && record?.problem === undefined && !this.#reader.isPending(domain);
      const differs = record === undefined || record.id !== domain.id || record.name !== domain.name;
      if (neverRead || (differs && !isNewer(domain.uuid))) this.#markChanged(domain);
    }
    for (const uuid of this.#records.keys()) {
      if (!listed.has(uuid) && !isNewer(uuid)) this.#forget(uuid);
    }
  }

  #markChanged({ uuid, name, id }: DomainRef): void {
    const domain = { uuid, name, id };
    this.#managedSaves.changed(uuid);
    this.#update(domain, {});
    this.#reader.add(domain);
  }

  #noteResult(domain: DomainRef, result: DomainReadResult): void {
    // During the read, another run began, or the domain was renamed or removed: the result does not apply any more.
    const record = this.#records.get(domain.uuid);
    if (record?.id !== domain.id || record.name !== domain.name) return;
    if (result.status === 'gone') {
      this.#forget(domain.uuid);
    } else if (result.status === 'failed') {
      this.#failed(domain, result.problem);
    } else {
      const { current, persistent, snapshots } = result;
      const recovered = this.#records.get(domain.uuid)?.problem !== undefined;
      if (recovered)
        this.#log.info({ domain: domain.name }, 'the configuration of this domain can be read again');
      const persistentAtStart = record.persistentAtStart ?? persistent;
      this.#update(domain, { current, persistent, persistentAtStart, snapshots, problem: undefined });
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
    // An error after a timeout has the same cause, which is already logged.
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
    // An observed start belongs to one run. After a reconnect the id does not identify the run, so the start is kept.
    const keepsStart = before !== undefined && (before.id === id || !before.startObserved);
    this.#records.set(uuid, {
      current: undefined,
      persistent: undefined,
      snapshots: undefined,
      events: NO_EVENTS,
      diskEvents: NO_DISK_EVENTS,
      problem: undefined,
      ...before,
      persistentAtStart: before?.id === id ? before.persistentAtStart : undefined,
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

  #observeStart(domain: DomainRef): void {
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
}
