import { LibvirtServerError, LibvirtTransportError } from './errors.ts';
import * as procedures from './procedures/connection.ts';
import { type ConnectionEvents, RpcConnection } from './rpc-connection.ts';

/** virConnectFlags. */
const CONNECT_READ_ONLY = 1;
const AuthType = { none: 0, sasl: 1, polkit: 2 } as const;
/** VIR_DRV_FEATURE_PROGRAM_KEEPALIVE: the daemon sends pings to clients that have queried this feature. */
const FEATURE_KEEPALIVE = 10;
const CLOSE_TIMEOUT_MS = 500;

export interface OpenOptions extends ConnectionEvents {
  /** Tried in this order; the first that accepts the connection is used. */
  readonly socketPaths: readonly string[];
  readonly connectName: string;
  readonly readOnly: boolean;
  readonly timeoutMs: number;
}

/**
 * Connects, authenticates and opens the hypervisor.
 * @throws LibvirtTransportError with each socket that was tried and the reason why it failed
 * @throws LibvirtServerError when libvirt refuses
 */
export async function openConnection(options: OpenOptions): Promise<RpcConnection> {
  const { connectName, readOnly, timeoutMs } = options;
  const connection = await openFirst(options);
  try {
    await authenticate(connection, readOnly, timeoutMs);
    await connection.call(procedures.connectSupportsFeature, FEATURE_KEEPALIVE, timeoutMs);
    const flags = readOnly ? CONNECT_READ_ONLY : 0;
    await connection.call(procedures.connectOpen, { name: connectName, flags }, timeoutMs);
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}

/** Sends CONNECT_CLOSE, without which the daemon logs a lost client, then closes the socket. */
export async function closeConnection(connection: RpcConnection): Promise<void> {
  await connection.call(procedures.connectClose, undefined, CLOSE_TIMEOUT_MS).catch(() => undefined);
  connection.close();
}

async function openFirst(options: OpenOptions): Promise<RpcConnection> {
  const failures: Error[] = [];
  for (const path of options.socketPaths) {
    try {
      return await RpcConnection.open(path, options.timeoutMs, options);
    } catch (error) {
      failures.push(error instanceof Error ? error : new Error(String(error)));
    }
  }
  const message = failures.map((failure) => failure.message).join('; ');
  throw new LibvirtTransportError(
    'ERR_LIBVIRT_CONNECT',
    `no libvirt socket accepts a connection: ${message}`,
    {
      cause: failures.find((failure) => !isAbsent(failure)) ?? failures[0],
    },
  );
}

/** A host has the sockets of either the modular or the monolithic daemon, so a missing socket is no cause of its own. */
function isAbsent({ cause }: Error): boolean {
  return typeof cause === 'object' && cause !== null && 'code' in cause && cause.code === 'ENOENT';
}

async function authenticate(connection: RpcConnection, readOnly: boolean, timeoutMs: number): Promise<void> {
  // libvirt refuses any other call before AUTH_LIST with "authentication required".
  const types = await connection.call(procedures.authList, undefined, timeoutMs);
  if (types.length === 0 || types.includes(AuthType.none)) return;
  if (!types.includes(AuthType.polkit)) {
    const kind = types.includes(AuthType.sasl) ? 'SASL' : `type ${types.join(', ')}`;
    throw new LibvirtTransportError(
      'ERR_LIBVIRT_AUTH_UNSUPPORTED',
      `libvirt requires ${kind} authentication on this socket, which the exporter does not support; ` +
        `use a socket with ${readOnly ? 'auth_unix_ro' : 'auth_unix_rw'} = "none" or "polkit"`,
    );
  }
  const action = readOnly ? 'monitor' : 'manage';
  try {
    await connection.call(procedures.authPolkit, undefined, timeoutMs);
  } catch (cause) {
    if (!(cause instanceof LibvirtServerError)) throw cause;
    throw new LibvirtTransportError(
      'ERR_LIBVIRT_AUTH_DENIED',
      `polkit refuses this user (${cause.message}); allow org.libvirt.unix.${action} for the user`,
      { cause },
    );
  }
}
