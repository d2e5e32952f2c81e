import { closeConnection, openConnection } from '../libvirt/connect.ts';
import { LibvirtServerError, type LibvirtTransportError } from '../libvirt/errors.ts';
import { type DomainEvent, decodeEvent, EVENT_KINDS } from '../libvirt/events.ts';
import * as connection from '../libvirt/procedures/connection.ts';
import {
  connectDomainEventCallbackRegisterAny,
  connectListAllDomains,
  domainGetControlInfo,
} from '../libvirt/procedures/domain.ts';
import type { RpcConnection } from '../libvirt/rpc-connection.ts';
import type { DomainRef } from '../libvirt/types.ts';
import type { LibvirtTarget } from '../libvirt/uri.ts';
import type { Integer64 } from '../libvirt/xdr.ts';

/** virConnectListAllDomainsFlags. */
const LIST_TRANSIENT = 8;
const LIST_MANAGED_SAVE = 256;
/** LIST_ALL_DOMAINS waits for each domain's lock, which libvirt holds while it ends a hung QEMU (10 s for a stopped one). */
const LISTING_MS = 45_000;

export interface EventClientOptions {
  readonly target: LibvirtTarget;
  /** Deadline of connecting and of each call that waits for no domain, in milliseconds. */
  readonly timeoutMs: number;
  readonly onDomainEvent: (event: DomainEvent) => void;
  readonly onClose: (reason: LibvirtTransportError) => void;
  /** Called for each call that is sent. */
  readonly onCallSent: (procedure: string) => void;
}

export interface LibvirtVersion {
  readonly major: number;
  readonly minor: number;
  readonly micro: number;
}

/** A read-only connection for domain events and high-priority procedures, which need no ordinary worker of the daemon. */
export class EventClient {
  readonly #connection: RpcConnection;
  /** Deadline of a call that waits for no domain, in milliseconds. */
  readonly timeoutMs: number;
  /** The callback ids that the daemon returned for the subscriptions. */
  readonly callbackIds: readonly number[];

  private constructor(rpc: RpcConnection, timeoutMs: number, callbackIds: readonly number[]) {
    this.#connection = rpc;
    this.timeoutMs = timeoutMs;
    this.callbackIds = callbackIds;
  }

  /**
   * Connects to the first of the target's sockets that accepts a connection, and subscribes to events.
   * @throws LibvirtTransportError with each socket that was tried and the reason why it failed
   */
  static async connect(options: EventClientOptions): Promise<EventClient> {
    const { target, timeoutMs, onDomainEvent } = options;
    const rpc = await openConnection({
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
      return new EventClient(rpc, timeoutMs, await subscribe(rpc, timeoutMs));
    } catch (error) {
      rpc.close();
      throw error;
    }
  }

  get isOpen(): boolean {
    return this.#connection.isOpen;
  }

  /** Open, and no call is unanswered past its deadline. */
  get isAnswering(): boolean {
    return this.#connection.isAnswering;
  }

  /** Version of the installed default emulator; libvirt probes the binary again when it has changed. */
  async hypervisorVersion(): Promise<LibvirtVersion> {
    return decodeVersion(
      await this.#connection.call(connection.connectGetVersion, undefined, this.timeoutMs),
    );
  }

  async daemonVersion(): Promise<LibvirtVersion> {
    return decodeVersion(
      await this.#connection.call(connection.connectGetLibVersion, undefined, this.timeoutMs),
    );
  }

  /** Domains that exist only while they run. */
  transientDomains(): Promise<DomainRef[]> {
    return this.#list(LIST_TRANSIENT);
  }

  /** Domains whose next start restores a managed save image. */
  savedDomains(): Promise<DomainRef[]> {
    return this.#list(LIST_MANAGED_SAVE);
  }

  #list(flags: number): Promise<DomainRef[]> {
    return this.#connection.call(connectListAllDomains, { flags }, Math.max(this.timeoutMs, LISTING_MS));
  }

  /** How long a call has waited for the domain's QEMU, in milliseconds; 0 when no call waits. libvirt answers at once. */
  async occupiedMs(domain: DomainRef): Promise<number> {
    const info = await this.#connection.call(domainGetControlInfo, domain, this.timeoutMs);
    return info.isOccupied ? Number(info.milliseconds) : 0;
  }

  close(): Promise<void> {
    return closeConnection(this.#connection);
  }
}

async function subscribe(rpc: RpcConnection, timeoutMs: number): Promise<number[]> {
  const callbackIds: number[] = [];
  for (const { eventId } of EVENT_KINDS) {
    try {
      callbackIds.push(await rpc.call(connectDomainEventCallbackRegisterAny, { eventId }, timeoutMs));
    } catch (error) {
      // Older daemons lack some kinds; the resync finds the changes that these would have announced.
      if (!(error instanceof LibvirtServerError)) throw error;
    }
  }
  return callbackIds;
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
