import { readString } from '../types.ts';
import type { Integer64 } from '../xdr.ts';
import { nothing, remote } from './procedure.ts';

/**
 * Procedures about the connection and the hypervisor (libvirt: src/remote/remote_protocol.x). A read-only connection may
 * call all of them. Numbers are append-only in practice, see docs/decisions/0001.
 */

/** REMOTE_AUTH_TYPE_LIST_MAX. */
const MAX_AUTH_TYPES = 20;

export const authList = remote<void, number[]>('AUTH_LIST', 66, 'high', nothing, (reply) =>
  reply.array(MAX_AUTH_TYPES, () => reply.int()),
);

export const authPolkit = remote<void, boolean>('AUTH_POLKIT', 70, 'high', nothing, (reply) => reply.bool());

export const connectOpen = remote<{ name: string; flags: number }, void>(
  'CONNECT_OPEN',
  1,
  'high',
  (out, { name, flags }) => {
    out.optional(name, (present) => out.string(present)).uint(flags);
  },
  nothing,
);

export const connectClose = remote<void, void>('CONNECT_CLOSE', 2, 'high', nothing, nothing);

/** The version of the default emulator that is installed now: major * 1e6 + minor * 1e3 + micro. */
export const connectGetVersion = remote<void, Integer64>('CONNECT_GET_VERSION', 4, 'high', nothing, (reply) =>
  reply.hyper(),
);

/** The daemon's own version, encoded as above. */
export const connectGetLibVersion = remote<void, Integer64>(
  'CONNECT_GET_LIB_VERSION',
  157,
  'high',
  nothing,
  (reply) => reply.hyper(),
);

export const connectGetCapabilities = remote<void, string>(
  'CONNECT_GET_CAPABILITIES',
  7,
  'low',
  nothing,
  readString,
);

export const connectSupportsFeature = remote<number, boolean>(
  'CONNECT_SUPPORTS_FEATURE',
  60,
  'high',
  (out, feature) => {
    out.int(feature);
  },
  (reply) => reply.bool(),
);
