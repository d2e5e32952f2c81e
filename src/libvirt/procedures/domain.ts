import { type DomainRef, MAX_DOMAINS, readDomain, readString, writeDomain } from '../types.ts';
import type { Integer64, XdrWriter } from '../xdr.ts';
import { nothing, remote } from './procedure.ts';

/** Procedures for the list of domains, their configurations and their events (libvirt: src/remote/remote_protocol.x). */

export const connectListAllDomains = remote<{ flags: number }, DomainRef[]>(
  'CONNECT_LIST_ALL_DOMAINS',
  273,
  'high',
  (out, { flags }) => {
    const needResults = 1;
    out.int(needResults).uint(flags);
  },
  (reply) => {
    const domains = reply.array(MAX_DOMAINS, () => readDomain(reply));
    reply.uint(); // number of domains, for callers that set needResults to 0
    return domains;
  },
);

export const domainGetXmlDesc = remote<{ domain: DomainRef; flags: number }, string>(
  'DOMAIN_GET_XML_DESC',
  14,
  'low',
  (out, { domain, flags }) => {
    writeDomain(out, domain);
    out.uint(flags);
  },
  readString,
);

/** XML in a domain's managed save image, from which the next start restores it; libvirt 3.7. */
export const domainManagedSaveGetXmlDesc = remote<DomainRef, string>(
  'DOMAIN_MANAGED_SAVE_GET_XML_DESC',
  388,
  'low',
  (out, domain) => {
    writeDomain(out, domain);
    out.uint(0);
  },
  readString,
);

/** Subscribes to one kind of event for all domains; returns the callback id that these events carry. */
export const connectDomainEventCallbackRegisterAny = remote<{ eventId: number }, number>(
  'CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY',
  316,
  'high',
  (out, { eventId }) => {
    out.int(eventId).optional<DomainRef>(undefined, (domain) => writeDomain(out, domain));
  },
  (reply) => reply.int(),
);

/** Writes the arguments of procedures that take a domain and flags; the exporter sets no flag. */
export function writeDomainAndFlags(out: XdrWriter, domain: DomainRef): void {
  writeDomain(out, domain);
  out.uint(0);
}

/** virDomainControlState: a command waits for the monitor. */
const CONTROL_OCCUPIED = 2;

/** virDomainControlInfo: whether a command waits for the monitor, and for how long. Never waits for the domain. */
export const domainGetControlInfo = remote<DomainRef, { isOccupied: boolean; milliseconds: Integer64 }>(
  'DOMAIN_GET_CONTROL_INFO',
  229,
  'high',
  writeDomainAndFlags,
  (reply) => {
    const state = reply.uint();
    reply.uint(); // details of an error
    return { isOccupied: state === CONTROL_OCCUPIED, milliseconds: reply.uhyper() };
  },
);

/** Sets the period, in seconds, in which QEMU polls the balloon driver's statistics. Needs the read-write socket. */
export const domainSetMemoryStatsPeriod = remote<{ domain: DomainRef; seconds: number; flags: number }, void>(
  'DOMAIN_SET_MEMORY_STATS_PERIOD',
  308,
  'low',
  (out, { domain, seconds, flags }) => {
    writeDomain(out, domain);
    out.int(seconds).uint(flags);
  },
  nothing,
);

/** REMOTE_DOMAIN_SNAPSHOT_LIST_MAX. */
const MAX_SNAPSHOTS = 16_384;

export interface DomainSnapshotRef {
  readonly name: string;
  readonly domain: DomainRef;
}

/** Number of a domain's snapshots. */
export const domainSnapshotNum = remote<DomainRef, number>(
  'DOMAIN_SNAPSHOT_NUM',
  187,
  'high',
  writeDomainAndFlags,
  (reply) => reply.int(),
);

/** virDomainSnapshotListFlags: only snapshots without a parent. */
const SNAPSHOT_ROOTS = 1;

/** The snapshots of a domain that have no parent. */
export const domainListRootSnapshots = remote<DomainRef, DomainSnapshotRef[]>(
  'DOMAIN_LIST_ALL_SNAPSHOTS',
  274,
  'high',
  (out, domain) => {
    writeDomain(out, domain);
    const needResults = 1;
    out.int(needResults).uint(SNAPSHOT_ROOTS);
  },
  (reply) => {
    const snapshots = reply.array(MAX_SNAPSHOTS, () => ({
      name: readString(reply),
      domain: readDomain(reply),
    }));
    reply.int(); // number of snapshots
    return snapshots;
  },
);

export const domainSnapshotGetXmlDesc = remote<DomainSnapshotRef, string>(
  'DOMAIN_SNAPSHOT_GET_XML_DESC',
  186,
  'high',
  (out, { name, domain }) => {
    out.string(name);
    writeDomain(out, domain);
    out.uint(0);
  },
  readString,
);
