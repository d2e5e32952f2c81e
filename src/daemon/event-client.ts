import { closeConnection, openConnection } from '../libvirt/connect.ts';
import { LibvirtServerError, type LibvirtTransportError } from '../libvirt/errors.ts';
import { type DomainEvent, decodeEvent, EVENT_KINDS } from '../libvirt/events.ts';
import * as procedures from '../libvirt/procedures/connection.ts';
import * as domains from '../libvirt/procedures/domain.ts';
import type { Procedure } from '../libvirt/procedures/procedure.ts';
import { connectGetAllDomainStats } from '../libvirt/procedures/stats.ts';
import type { RpcConnection } from '../libvirt/rpc-connection.ts';
import type { DomainRef } from '../libvirt/types.ts';
import type { LibvirtTarget } from '../libvirt/uri.ts';
import type { Integer64 } from '../libvirt/xdr.ts';

/** virConnectListAllDomainsFlags and virDomainXMLFlags that the exporter uses. */
const LIST_TRANSIENT = 8;
const XML_INACTIVE = 2;
/**
 * libvirt waits 30 s for a domain's job before it gives up, and may take as long to probe its emulators or to end a QEMU
 * that hangs. A call that is given up earlier keeps its place on the connection all the same, and four of them end it.
 */
const LIBVIRT_LONGEST_WAIT_MS = 45_000;
/** virDomainStatsTypes: the group that costs libvirtd no word with QEMU. */
const STATS_STATE = 1;

export interface LibvirtClientOptions {
  readonly target: LibvirtTarget;
  /** Deadline of connecting and of each call that a scrape waits for, in milliseconds. */
  readonly timeoutMs: number;
  readonly onDomainEvent: (event: DomainEvent) => void;
  readonly onClose: (reason: LibvirtTransportError) => void;
  /** Told of each call handed to libvirt. */
  readonly onCallSent: (procedure: string) => void;
}

/** A domain and its state, as one bulk call tells it. Numbers are virDomainState and its reasons. */
export interface DomainStateRecord {
  readonly domain: DomainRef;
  readonly state: number;
  readonly reason: number;
}

export interface LibvirtVersion {
  readonly major: number;
  readonly minor: number;
  readonly micro: number;
}

/** A read-only libvirt connection, opened, authenticated and subscribed to domain events. */
export class LibvirtClient {
  readonly #connection: RpcConnection;
  /** Deadline of a call that a scrape waits for. */
  readonly timeoutMs: number;
  /** Deadline of calls that can take long while nobody waits for them. */
  readonly #slowTimeoutMs: number;

  private constructor(connection: RpcConnection, timeoutMs: number) {
    this.#connection = connection;
    this.timeoutMs = timeoutMs;
    this.#slowTimeoutMs = Math.max(timeoutMs, LIBVIRT_LONGEST_WAIT_MS);
  }

  /**
   * Connects to the first of the target's sockets that answers.
   * @throws LibvirtTransportError naming every socket tried and why it did not serve
   */
  static async connect(options: LibvirtClientOptions): Promise<LibvirtClient> {
    const { target, timeoutMs, onDomainEvent } = options;
    const connection = await openConnection({
      socketPaths: target.readOnlySockets,
      connectName: target.connectName,
      readOnly: true,
      timeoutMs,
      onClose: options.onClose,
      onCallSent: options.onCallSent,
      onEvent: (procedure, payload) => {
        const event = decodeEvent(procedure, payload);
        if (event !== undefined) onDomainEvent(event);
      },
    });
    try {
      await subscribe(connection, options.timeoutMs);
      return new LibvirtClient(connection, options.timeoutMs);
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  get isOpen(): boolean {
    return this.#connection.isOpen;
  }

  /** Open, and without a call that libvirt has left unanswered past its deadline. */
  get isAnswering(): boolean {
    return this.#connection.isAnswering;
  }

  /** The installed default emulator's version; libvirt looks at the binary again when it changed. */
  async hypervisorVersion(): Promise<LibvirtVersion> {
    return decodeVersion(await this.#call(procedures.connectGetVersion, undefined));
  }

  async daemonVersion(): Promise<LibvirtVersion> {
    return decodeVersion(await this.#call(procedures.connectGetLibVersion, undefined));
  }

  /** Capabilities XML: what the installed emulators offer. May take seconds after an emulator changed. */
  capabilities(): Promise<string> {
    return this.#connection.call(procedures.connectGetCapabilities, undefined, this.#slowTimeoutMs);
  }

  /**
   * Every domain, running or not, with its state: one call that says no word to QEMU. It waits for each domain's lock, as
   * LIST_ALL_DOMAINS does; libvirt holds that of a domain whose hanging QEMU it ends (10 s for a stopped process).
   */
  async domainStates(): Promise<DomainStateRecord[]> {
    const args = { domains: [], stats: STATS_STATE, flags: 0 };
    const records = await this.#connection.call(connectGetAllDomainStats, args, this.#slowTimeoutMs);
    return records.map(({ domain, params }) => ({
      domain,
      state: Number(params.get('state.state') ?? 0),
      reason: Number(params.get('state.reason') ?? 0),
    }));
  }

  /** Domains that exist only while they run. */
  transientDomains(): Promise<DomainRef[]> {
    const args = { flags: LIST_TRANSIENT };
    return this.#connection.call(domains.connectListAllDomains, args, this.#slowTimeoutMs);
  }

  /** For how long some call has waited for the domain's QEMU, in milliseconds; 0 when none does. Never waits itself. */
  async occupiedMs(domain: DomainRef): Promise<number> {
    const { isOccupied, milliseconds } = await this.#call(domains.domainGetControlInfo, domain);
    return isOccupied ? Number(milliseconds) : 0;
  }

  /** XML of the domain as it runs now, or its persistent configuration when it does not run. */
  currentXml(domain: DomainRef): Promise<string> {
    return this.#xml(domain, 0);
  }

  /** XML of the configuration that the domain's next start will use. */
  persistentXml(domain: DomainRef): Promise<string> {
    return this.#xml(domain, XML_INACTIVE);
  }

  #xml(domain: DomainRef, flags: number): Promise<string> {
    return this.#connection.call(domains.domainGetXmlDesc, { domain, flags }, this.#slowTimeoutMs);
  }

  /** Takes leave of the daemon, which would otherwise log a lost client, then closes the socket. */
  close(): Promise<void> {
    return closeConnection(this.#connection);
  }

  #call<Args, Reply>(procedure: Procedure<Args, Reply>, args: Args): Promise<Reply> {
    return this.#connection.call(procedure, args, this.timeoutMs);
  }
}

async function subscribe(connection: RpcConnection, timeoutMs: number): Promise<void> {
  for (const { eventId } of EVENT_KINDS) {
    try {
      await connection.call(domains.connectDomainEventCallbackRegisterAny, { eventId }, timeoutMs);
    } catch (error) {
      // An older daemon lacks some kinds; the slow resync covers what they would have told.
      if (!(error instanceof LibvirtServerError)) throw error;
    }
  }
}

function decodeVersion(encoded: Integer64): LibvirtVersion {
  const value = Number(encoded);
  return {
    major: Math.floor(value / 1_000_000),
    minor: Math.floor(value / 1_000) % 1_000,
    micro: value % 1_000,
  };
}

export function formatVersion({ major, minor, micro }: LibvirtVersion): string {
  return `${major}.${minor}.${micro}`;
}
