import { connectGetCapabilities } from '../libvirt/procedures/connection.ts';
import {
  type DomainSnapshotRef,
  domainGetXmlDesc,
  domainListRootSnapshots,
  domainManagedSaveGetXmlDesc,
  domainSnapshotGetXmlDesc,
  domainSnapshotNum,
} from '../libvirt/procedures/domain.ts';
import type { Procedure } from '../libvirt/procedures/procedure.ts';
import { connectGetAllDomainStats } from '../libvirt/procedures/stats.ts';
import type { DomainRef } from '../libvirt/types.ts';
import type { CallPool, PooledCall, PoolUse } from './call-pool.ts';
import type { Clock } from './clock.ts';
import { domainRunId } from './domain-run-id.ts';
import type { EventClient, LibvirtVersion } from './event-client.ts';

/** virDomainXMLFlags. */
const XML_INACTIVE = 2;
/** virDomainStatsTypes: the group of the domain's state, which needs no QEMU. */
const STATS_STATE = 1;
/** A call that has waited for a monitor for this long means that QEMU hangs; others take milliseconds. */
const OCCUPIED_MS = 1_000;
/** A call for a configuration or for capabilities is not sent when no worker is free within this time. */
const LONGEST_QUEUE_MS = 60_000;

/** A domain and its state. Numbers are virDomainState and its reasons. */
export interface DomainStateRecord {
  readonly domain: DomainRef;
  readonly state: number;
  readonly reason: number;
}

export interface ConfigurationClientOptions {
  /** Number of the connection. A listing must not join that of an earlier connection, which may lack changes in between. */
  readonly number: number;
  readonly events: EventClient;
  readonly pool: CallPool;
  readonly clock: Clock;
  /** Called when libvirt has answered a listing. */
  readonly onListed: () => void;
}

/**
 * The inventory's calls to libvirt, for the lifetime of one event connection. Calls that may wait go through the call pool,
 * high-priority procedures over the event connection.
 */
export class ConfigurationClient {
  readonly #options: ConfigurationClientOptions;
  readonly #number: number;
  /** When the unanswered listing was sent, in the clock's milliseconds. */
  #listingSince: number | undefined;

  constructor(options: ConfigurationClientOptions) {
    this.#options = options;
    this.#number = options.number;
  }

  get isOpen(): boolean {
    return this.#options.events.isOpen;
  }

  /** Open, and no listing or high-priority call is unanswered past its deadline. */
  get isAnswering(): boolean {
    const { events, clock } = this.#options;
    const waitedMs = this.#listingSince === undefined ? 0 : clock.now() - this.#listingSince;
    return events.isAnswering && waitedMs < events.timeoutMs;
  }

  /** Deadline of a call that waits for no domain, in milliseconds. */
  get timeoutMs(): number {
    return this.#options.events.timeoutMs;
  }

  hypervisorVersion(): Promise<LibvirtVersion> {
    return this.#options.events.hypervisorVersion();
  }

  daemonVersion(): Promise<LibvirtVersion> {
    return this.#options.events.daemonVersion();
  }

  transientDomains(): Promise<DomainRef[]> {
    return this.#options.events.transientDomains();
  }

  /** Domains whose next start restores a managed save image. */
  savedDomains(): Promise<DomainRef[]> {
    return this.#options.events.savedDomains();
  }

  /**
   * Whether a call has waited for the domain's QEMU for more than a second. libvirt reports this without waiting. Also false
   * when libvirt returns an error.
   */
  async isMonitorOccupied(domain: DomainRef): Promise<boolean> {
    if (domain.id < 0) return false;
    try {
      return (await this.#options.events.occupiedMs(domain)) > OCCUPIED_MS;
    } catch {
      return false; // the domain has stopped since
    }
  }

  /** Capabilities XML: the machine types of the installed emulators. Takes seconds after an emulator has changed. */
  capabilities(): Promise<string> {
    return this.#call('capabilities', 'configuration', connectGetCapabilities, undefined).answer;
  }

  /**
   * Returns every domain, running or not, with its state. The call waits for each domain's lock, which libvirt holds while
   * it ends a hung QEMU.
   */
  async domainStates(): Promise<DomainStateRecord[]> {
    const args = { domains: [], stats: STATS_STATE, flags: 0 };
    this.#listingSince ??= this.#options.clock.now();
    const records = await this.#call(
      `domain states ${this.#number}`,
      'listing',
      connectGetAllDomainStats,
      args,
    ).answer.finally(() => {
      this.#listingSince = undefined;
    });
    this.#options.onListed();
    return records.map(({ domain, params }) => {
      const fields = new Map(params);
      const number = (field: string): number => Number(fields.get(field) ?? 0);
      return { domain, state: number('state.state'), reason: number('state.reason') };
    });
  }

  /** XML of the running domain, or the persistent configuration of a domain that does not run. */
  currentXml(domain: DomainRef): Promise<string> {
    return this.#xml(domain, 0);
  }

  /** XML of the configuration for the domain's next start. */
  persistentXml(domain: DomainRef): Promise<string> {
    return this.#xml(domain, XML_INACTIVE);
  }

  /** XML in the domain's managed save image. libvirt reads it from the image's file. */
  savedXml(domain: DomainRef): Promise<string> {
    const key = `${domainRunId(domain)} saved xml ${domain.name}`;
    return this.#call(key, 'configuration', domainManagedSaveGetXmlDesc, domain).answer;
  }

  /** Number of the domain's snapshots, internal and external ones. */
  snapshotCount(domain: DomainRef): Promise<number> {
    return this.#call(`${domainRunId(domain)} snapshots`, 'configuration', domainSnapshotNum, domain).answer;
  }

  /** The domain's snapshots without a parent. */
  rootSnapshots(domain: DomainRef): Promise<DomainSnapshotRef[]> {
    const key = `${domainRunId(domain)} root snapshots`;
    return this.#call(key, 'configuration', domainListRootSnapshots, domain).answer;
  }

  snapshotXml(snapshot: DomainSnapshotRef): Promise<string> {
    const key = `${domainRunId(snapshot.domain)} snapshot xml ${snapshot.name}`;
    return this.#call(key, 'configuration', domainSnapshotGetXmlDesc, snapshot).answer;
  }

  #xml(domain: DomainRef, flags: number): Promise<string> {
    const key = `${domainRunId(domain)} xml ${flags} ${domain.name}`;
    return this.#call(key, 'configuration', domainGetXmlDesc, { domain, flags }).answer;
  }

  #call<Args, Reply>(
    key: string,
    use: PoolUse,
    procedure: Procedure<Args, Reply>,
    args: Args,
  ): PooledCall<Reply> {
    const { pool, clock } = this.#options;
    return pool.call({ key, use, procedure, args, deadline: clock.now() + LONGEST_QUEUE_MS });
  }
}
