/**
 * Errors of the libvirt client, one class for each kind: the server answered with an error, the transport failed, or the
 * libvirt URI cannot be used.
 */

/** Stable codes of {@link LibvirtTransportError}. */
export type TransportErrorCode =
  | 'ERR_LIBVIRT_CONNECT'
  | 'ERR_LIBVIRT_CLOSED'
  | 'ERR_LIBVIRT_PROTOCOL'
  | 'ERR_LIBVIRT_TIMEOUT'
  | 'ERR_LIBVIRT_UNRESPONSIVE'
  | 'ERR_LIBVIRT_AUTH_UNSUPPORTED'
  | 'ERR_LIBVIRT_AUTH_DENIED';

/** A call has no answer: the socket cannot be opened, the connection ended, a deadline passed, or libvirt broke the protocol. */
export class LibvirtTransportError extends Error {
  override readonly name = 'LibvirtTransportError';
  readonly code: TransportErrorCode;

  constructor(code: TransportErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** virErrorNumber values the exporter branches on (libvirt: include/libvirt/virterror.h). */
export const ServerErrorNumber = {
  internalError: 1,
  noSupport: 3,
  operationDenied: 29,
  systemError: 38,
  rpc: 39,
  noDomain: 42,
  operationInvalid: 55,
  operationTimeout: 68,
  argumentUnsupported: 74,
  agentUnresponsive: 86,
  accessDenied: 88,
  agentCommandTimeout: 112,
  agentCommandFailed: 113,
} as const;

/** libvirt answered the call with an error. `number` is its virErrorNumber, `domain` its virErrorDomain. */
export class LibvirtServerError extends Error {
  override readonly name = 'LibvirtServerError';
  readonly code = 'ERR_LIBVIRT_SERVER';
  readonly number: number;
  readonly domain: number;

  constructor(number: number, domain: number, message: string) {
    super(message);
    this.number = number;
    this.domain = domain;
  }
}

/** The libvirt URI cannot be used; the message names the part that is wrong and the accepted forms. */
export class LibvirtUriError extends Error {
  override readonly name = 'LibvirtUriError';
  readonly code = 'ERR_LIBVIRT_URI';
}

/** Whether the domain of the call is gone: undefined or migrated since it was listed. */
export function isNoDomain(error: unknown): boolean {
  return error instanceof LibvirtServerError && error.number === ServerErrorNumber.noDomain;
}
