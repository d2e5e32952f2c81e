import { RpcConnection } from './connection.ts';
import { LibvirtServerError, LibvirtTransportError } from './errors.ts';
import { type DomainEvent, decodeEvent, EVENT_KINDS } from './events.ts';
import type { Procedure } from './procedure.ts';
import * as procedures from './procedures.ts';
import type { LibvirtTarget } from './uri.ts';
import type { DomainRef } from './wire-types.ts';
import type { Integer64 } from './xdr.ts';

/** virConnectListAllDomainsFlags and virDomainXMLFlags that the exporter uses. */
const LIST_TRANSIENT = 8;
const XML_INACTIVE = 2;
const CONNECT_READ_ONLY = 1;
/** virDomainStatsTypes: the group that costs libvirtd no word with QEMU. */
const STATS_STATE = 1;

const AuthType = { none: 0, sasl: 1, polkit: 2 } as const;
/** VIR_DRV_FEATURE_PROGRAM_KEEPALIVE: asking for it makes the daemon send pings. */
const FEATURE_KEEPALIVE = 10;

export interface LibvirtClientOptions {
  readonly target: LibvirtTarget;
  /** Deadline of each call, and of connecting, in milliseconds. */
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
  readonly #timeoutMs: number;

  private constructor(connection: RpcConnection, timeoutMs: number) {
    this.#connection = connection;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Connects to the first of the target's sockets that answers.
   * @throws LibvirtTransportError naming every socket tried and why it did not serve
   */
  static async connect(options: LibvirtClientOptions): Promise<LibvirtClient> {
    const connection = await openFirst(options);
    try {
      await authenticate(connection, options.timeoutMs);
      await connection.call(procedures.connectSupportsFeature, FEATURE_KEEPALIVE, options.timeoutMs);
      await connection.call(
        procedures.connectOpen,
        { name: options.target.connectName, flags: CONNECT_READ_ONLY },
        options.timeoutMs,
      );
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

  /** The installed default emulator's version; libvirt looks at the binary again when it changed. */
  async hypervisorVersion(): Promise<LibvirtVersion> {
    return decodeVersion(await this.#call(procedures.connectGetVersion, undefined));
  }

  async daemonVersion(): Promise<LibvirtVersion> {
    return decodeVersion(await this.#call(procedures.connectGetLibVersion, undefined));
  }

  /** Capabilities XML: what the installed emulators offer. May take seconds after an emulator changed. */
  capabilities(): Promise<string> {
    return this.#call(procedures.connectGetCapabilities, undefined);
  }

  /** Every domain, running or not, with its state: one call that never waits for QEMU. */
  async domainStates(atMostMs = this.#timeoutMs): Promise<DomainStateRecord[]> {
    const args = { domains: [], stats: STATS_STATE, flags: 0 };
    const timeoutMs = Math.min(atMostMs, this.#timeoutMs);
    const records = await this.#connection.call(procedures.connectGetAllDomainStats, args, timeoutMs);
    return records.map(({ domain, params }) => ({
      domain,
      state: Number(params.get('state.state') ?? 0),
      reason: Number(params.get('state.reason') ?? 0),
    }));
  }

  /** Domains that exist only while they run. */
  transientDomains(): Promise<DomainRef[]> {
    return this.#call(procedures.connectListAllDomains, { flags: LIST_TRANSIENT });
  }

  /** XML of the domain as it runs now, or its persistent configuration when it does not run. */
  currentXml(domain: DomainRef): Promise<string> {
    return this.#call(procedures.domainGetXmlDesc, { domain, flags: 0 });
  }

  /** XML of the configuration that the domain's next start will use. */
  persistentXml(domain: DomainRef): Promise<string> {
    return this.#call(procedures.domainGetXmlDesc, { domain, flags: XML_INACTIVE });
  }

  /** Takes leave of the daemon, which would otherwise log a lost client, then closes the socket. */
  async close(): Promise<void> {
    const briefMs = 500;
    await this.#connection.call(procedures.connectClose, undefined, briefMs).catch(() => undefined);
    this.#connection.close();
  }

  #call<Args, Reply>(procedure: Procedure<Args, Reply>, args: Args): Promise<Reply> {
    return this.#connection.call(procedure, args, this.#timeoutMs);
  }
}

async function openFirst({ target, timeoutMs, ...callbacks }: LibvirtClientOptions): Promise<RpcConnection> {
  const failures: Error[] = [];
  for (const path of target.socketPaths) {
    try {
      return await RpcConnection.open(path, timeoutMs, {
        onCallSent: callbacks.onCallSent,
        onClose: callbacks.onClose,
        onEvent: (procedure, payload) => {
          const event = decodeEvent(procedure, payload);
          if (event !== undefined) callbacks.onDomainEvent(event);
        },
      });
    } catch (error) {
      failures.push(error instanceof Error ? error : new Error(String(error)));
    }
  }
  const message = failures.map((failure) => failure.message).join('; ');
  throw new LibvirtTransportError('ERR_LIBVIRT_CONNECT', `no libvirt socket answers: ${message}`, {
    cause: failures[0],
  });
}

async function authenticate(connection: RpcConnection, timeoutMs: number): Promise<void> {
  // Any other call before AUTH_LIST is refused with "authentication required".
  const offered = await connection.call(procedures.authList, undefined, timeoutMs);
  if (offered.length === 0 || offered.includes(AuthType.none)) return;
  if (!offered.includes(AuthType.polkit)) {
    const kind = offered.includes(AuthType.sasl) ? 'SASL' : `type ${offered.join(', ')}`;
    throw new LibvirtTransportError(
      'ERR_LIBVIRT_AUTH_UNSUPPORTED',
      `libvirt asks for ${kind} authentication on this socket, which the exporter does not speak; ` +
        'use a socket with auth_unix_ro = "none" or "polkit"',
    );
  }
  try {
    await connection.call(procedures.authPolkit, undefined, timeoutMs);
  } catch (cause) {
    if (!(cause instanceof LibvirtServerError)) throw cause;
    throw new LibvirtTransportError(
      'ERR_LIBVIRT_AUTH_DENIED',
      `polkit does not let this user in (${cause.message}); allow org.libvirt.unix.monitor for it`,
      { cause },
    );
  }
}

async function subscribe(connection: RpcConnection, timeoutMs: number): Promise<void> {
  for (const { eventId } of EVENT_KINDS) {
    try {
      await connection.call(procedures.connectDomainEventCallbackRegisterAny, { eventId }, timeoutMs);
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
