import { Program } from './frame.ts';
import { nothing, type Procedure, remote } from './procedure.ts';
import { type DomainRef, MAX_DOMAINS, readDomain, readString, writeDomain } from './wire-types.ts';
import type { Integer64 } from './xdr.ts';

/**
 * The procedures that every connection, the inventory and the guests need (libvirt:
 * src/remote/remote_protocol.x). All but the last two are open to read-only connections. Numbers are append-only
 * in practice, see docs/decisions/0001.
 */

/** REMOTE_AUTH_TYPE_LIST_MAX. */
const MAX_AUTH_TYPES = 20;

export const authList = remote<void, number[]>('AUTH_LIST', 66, nothing, (reply) =>
  reply.array(MAX_AUTH_TYPES, () => reply.int()),
);

export const authPolkit = remote<void, boolean>('AUTH_POLKIT', 70, nothing, (reply) => reply.bool());

export const connectOpen = remote<{ name: string; flags: number }, void>(
  'CONNECT_OPEN',
  1,
  (out, { name, flags }) => {
    out.optional(name, (present) => out.string(present)).uint(flags);
  },
  nothing,
);

export const connectClose = remote<void, void>('CONNECT_CLOSE', 2, nothing, nothing);

/** The version of the default emulator that is installed now: major * 1e6 + minor * 1e3 + micro. */
export const connectGetVersion = remote<void, Integer64>('CONNECT_GET_VERSION', 4, nothing, (reply) =>
  reply.hyper(),
);

/** The daemon's own version, encoded as above. */
export const connectGetLibVersion = remote<void, Integer64>(
  'CONNECT_GET_LIB_VERSION',
  157,
  nothing,
  (reply) => reply.hyper(),
);

export const connectGetCapabilities = remote<void, string>(
  'CONNECT_GET_CAPABILITIES',
  7,
  nothing,
  readString,
);

export const connectSupportsFeature = remote<number, boolean>(
  'CONNECT_SUPPORTS_FEATURE',
  60,
  (out, feature) => {
    out.int(feature);
  },
  (reply) => reply.bool(),
);

export const connectListAllDomains = remote<{ flags: number }, DomainRef[]>(
  'CONNECT_LIST_ALL_DOMAINS',
  273,
  (out, { flags }) => {
    const needResults = 1;
    out.int(needResults).uint(flags);
  },
  (reply) => {
    const domains = reply.array(MAX_DOMAINS, () => readDomain(reply));
    // The count of the list once more, which the reply carries for callers that ask for no results.
    reply.uint();
    return domains;
  },
);

export const domainGetXmlDesc = remote<{ domain: DomainRef; flags: number }, string>(
  'DOMAIN_GET_XML_DESC',
  14,
  (out, { domain, flags }) => {
    writeDomain(out, domain);
    out.uint(flags);
  },
  readString,
);

/** Subscribes to one kind of domain event, of all domains; returns the callback id its events will carry. */
export const connectDomainEventCallbackRegisterAny = remote<{ eventId: number }, number>(
  'CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY',
  316,
  (out, { eventId }) => {
    out.int(eventId).optional<DomainRef>(undefined, (domain) => writeDomain(out, domain));
  },
  (reply) => reply.int(),
);

/**
 * Hands a command to the guest's agent and returns its reply, both JSON (libvirt: src/remote/qemu_protocol.x).
 * Needs the read-write socket. `timeoutSeconds` bounds the agent's answer; libvirt may wait 30 s for the
 * domain's agent lock and 5 s to find the agent in step before that.
 */
export const qemuDomainAgentCommand: Procedure<
  { domain: DomainRef; command: string; timeoutSeconds: number },
  string | undefined
> = {
  program: Program.qemu,
  number: 3,
  name: 'QEMU_DOMAIN_AGENT_COMMAND',
  encode: (out, { domain, command, timeoutSeconds }) => {
    writeDomain(out, domain);
    out.string(command).int(timeoutSeconds).uint(0);
  },
  decode: (reply) => reply.optional(() => readString(reply)),
};

/** Has the balloon driver send statistics every so many seconds. Needs the read-write socket. */
export const domainSetMemoryStatsPeriod = remote<{ domain: DomainRef; seconds: number; flags: number }, void>(
  'DOMAIN_SET_MEMORY_STATS_PERIOD',
  308,
  (out, { domain, seconds, flags }) => {
    writeDomain(out, domain);
    out.int(seconds).uint(flags);
  },
  nothing,
);
