import { homedir } from 'node:os';
import { join } from 'node:path';
import { LibvirtUriError } from './errors.ts';

/** The sockets on this host that a libvirt URI means. */
export interface LibvirtTarget {
  /** Sockets to try, in this order: the modular daemon's before the monolithic one's. */
  readonly readOnlySockets: readonly string[];
  /** The same daemons' read-write sockets, for guest agents and the balloon's statistics period only. */
  readonly readWriteSockets: readonly string[];
  /** The URI that CONNECT_OPEN opens, without the parameters that only select a socket. */
  readonly connectName: string;
}

export interface UriEnvironment {
  readonly uid: number;
  readonly XDG_RUNTIME_DIR?: string | undefined;
  readonly XDG_CACHE_HOME?: string | undefined;
}

const SYSTEM_RUN_DIR = '/run/libvirt';
const DAEMON_SOCKETS = ['virtqemud-sock', 'libvirt-sock'];
const ACCEPTED = 'qemu:///system, qemu:///session and qemu+unix:///system?socket=/path are supported';

/**
 * Resolves `qemu:///system`, `qemu:///session` or `qemu+unix:///…?socket=/path` to sockets on this host.
 * @throws LibvirtUriError for anything else; remote transports are not supported
 */
export function resolveUri(uri: string, environment: UriEnvironment): LibvirtTarget {
  const url = parse(uri);
  if (url.protocol !== 'qemu:' && url.protocol !== 'qemu+unix:') {
    throw new LibvirtUriError(`${uri}: ${url.protocol.slice(0, -1)} is not supported; ${ACCEPTED}`);
  }
  if (url.host !== '') throw new LibvirtUriError(`${uri}: remote hosts are not supported; ${ACCEPTED}`);
  if (url.pathname !== '/system' && url.pathname !== '/session') {
    throw new LibvirtUriError(`${uri}: no such connection; ${ACCEPTED}`);
  }
  const connectName = `qemu://${url.pathname}`;
  const unknown = [...url.searchParams.keys()].find((key) => key !== 'socket');
  if (unknown !== undefined) throw new LibvirtUriError(`${uri}: unknown parameter ${unknown}; ${ACCEPTED}`);

  const socket = url.searchParams.get('socket');
  if (socket !== null) {
    if (!socket.startsWith('/'))
      throw new LibvirtUriError(`${uri}: socket must be an absolute path; ${ACCEPTED}`);
    // libvirt's read-only socket has the name of the read-write one, with -ro appended.
    return { readOnlySockets: [socket], readWriteSockets: [socket.replace(/-ro$/, '')], connectName };
  }
  // libvirt's own clients connect root's qemu:///session to the system daemon as well.
  if (url.pathname === '/system' || environment.uid === 0) {
    const readWriteSockets = DAEMON_SOCKETS.map((name) => join(SYSTEM_RUN_DIR, name));
    return { readOnlySockets: readWriteSockets.map((path) => `${path}-ro`), readWriteSockets, connectName };
  }
  // A session daemon has no read-only socket; the exporter sets CONNECT_READ_ONLY in CONNECT_OPEN instead.
  const directories = [
    environment.XDG_RUNTIME_DIR === undefined ? undefined : join(environment.XDG_RUNTIME_DIR, 'libvirt'),
    join(environment.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'libvirt'),
  ].filter((directory) => directory !== undefined);
  const sockets = directories.flatMap((directory) => DAEMON_SOCKETS.map((name) => join(directory, name)));
  return { readOnlySockets: sockets, readWriteSockets: sockets, connectName };
}

function parse(uri: string): URL {
  try {
    return new URL(uri);
  } catch (cause) {
    throw new LibvirtUriError(`${JSON.stringify(uri)} is not a URI; ${ACCEPTED}`, { cause });
  }
}
