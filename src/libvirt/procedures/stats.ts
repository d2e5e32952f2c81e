import {
  type DomainRef,
  MAX_DOMAINS,
  MAX_STATS_PARAMS,
  readDomain,
  readString,
  readTypedParam,
  readTypedParams,
  type TypedParam,
  type TypedValue,
  writeDomain,
} from '../types.ts';
import type { Integer64 } from '../xdr.ts';
import { writeDomainAndFlags } from './domain.ts';
import { remote } from './procedure.ts';

/** Procedures for statistics of domains (libvirt: src/remote/remote_protocol.x), for read-only connections as well. */

export interface DomainStatsRecord {
  readonly domain: DomainRef;
  /** In libvirt's order. A list, as a map of thousands of names that are read once costs more than the decoding. */
  readonly params: readonly TypedParam[];
}

/** An empty `domains` means all domains that `flags` select. */
export const connectGetAllDomainStats = remote<
  { domains: readonly DomainRef[]; stats: number; flags: number },
  DomainStatsRecord[]
>(
  'CONNECT_GET_ALL_DOMAIN_STATS',
  344,
  'low',
  (out, { domains, stats, flags }) => {
    out.array(domains, (domain) => writeDomain(out, domain));
    out.uint(stats).uint(flags);
  },
  (reply) =>
    reply.array(MAX_DOMAINS, () => ({
      domain: readDomain(reply),
      params: reply.array(MAX_STATS_PARAMS, () => readTypedParam(reply)),
    })),
);

/** REMOTE_DOMAIN_GET_CPU_STATS_MAX and REMOTE_DOMAIN_JOB_STATS_MAX, the larger of the two. */
const MAX_PARAMS = 2048;
/** Most VIR_DOMAIN_CPU_STATS_* fields of the sum of all CPUs; libvirt has three now, newer releases may add some. */
const CPU_FIELDS = 16;
const SUM_OF_ALL_CPUS = -1;

/**
 * The domain's processor time from its cgroup: `cpu_time`, `user_time`, `system_time` in nanoseconds. The stats group
 * CPU_TOTAL has the same numbers, but also reads poll times from QEMU's monitor and takes longer: 84 ms instead of 9 ms for
 * 100 domains on libvirt 9.0.
 */
export const domainGetCpuStats = remote<DomainRef, ReadonlyMap<string, TypedValue>>(
  'DOMAIN_GET_CPU_STATS',
  262,
  'low',
  (out, domain) => {
    writeDomain(out, domain);
    const cpuCount = 1;
    out.uint(CPU_FIELDS).int(SUM_OF_ALL_CPUS).uint(cpuCount).uint(0);
  },
  (reply) => {
    const params = readTypedParams(reply, MAX_PARAMS);
    reply.int(); // the number of fields per CPU
    return params;
  },
);

/** virDomainInfo: `cpuTime` is the processor time of the domain's process, in nanoseconds. */
export const domainGetInfo = remote<DomainRef, { cpuTime: Integer64 }>(
  'DOMAIN_GET_INFO',
  16,
  'low',
  writeDomain,
  (reply) => {
    reply.int(); // virDomainState
    reply.uhyper(); // maximum memory
    reply.uhyper(); // current memory
    reply.int(); // vCPUs
    return { cpuTime: reply.uhyper() };
  },
);

/** A domain's current job: virDomainJobType, and its progress by VIR_DOMAIN_JOB_* names. */
export const domainGetJobStats = remote<DomainRef, { type: number; params: ReadonlyMap<string, TypedValue> }>(
  'DOMAIN_GET_JOB_STATS',
  298,
  'low',
  writeDomainAndFlags,
  (reply) => ({
    type: reply.int(),
    params: readTypedParams(reply, MAX_PARAMS),
  }),
);

/** REMOTE_DOMAIN_DISK_ERRORS_MAX. */
const MAX_DISK_ERRORS = 256;

/**
 * The disks with which the domain has stopped, by target name: virDomainDiskErrorCode (1 unspecified, 2 no space). libvirt
 * queries QEMU's monitor.
 */
export const domainGetDiskErrors = remote<DomainRef, ReadonlyMap<string, number>>(
  'DOMAIN_GET_DISK_ERRORS',
  263,
  'low',
  (out, domain) => {
    writeDomain(out, domain);
    out.uint(MAX_DISK_ERRORS).uint(0);
  },
  (reply) => {
    const errors = reply.array(MAX_DISK_ERRORS, () => [readString(reply), reply.int()] as const);
    reply.int(); // number of errors
    return new Map(errors);
  },
);

/** virDomainBlockJobInfo without its speed. `type` is a virDomainBlockJobType; sizes are bytes, of a unit that QEMU chooses. */
export interface BlockJobInfo {
  readonly type: number;
  readonly processed: Integer64;
  readonly total: Integer64;
}

/** The block job of a disk, named by its target; undefined when no job runs. */
export const domainGetBlockJobInfo = remote<{ domain: DomainRef; device: string }, BlockJobInfo | undefined>(
  'DOMAIN_GET_BLOCK_JOB_INFO',
  238,
  'low',
  (out, { domain, device }) => {
    writeDomain(out, domain);
    out.string(device).uint(0);
  },
  (reply) => {
    const isFound = reply.int() !== 0;
    const type = reply.int();
    reply.uhyper(); // the speed limit
    const processed = reply.uhyper();
    const total = reply.uhyper();
    return isFound ? { type, processed, total } : undefined;
  },
);
