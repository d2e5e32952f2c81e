import { domainGetControlInfo } from '../libvirt/procedures/domain.ts';
import type { Procedure } from '../libvirt/procedures/procedure.ts';
import * as stats from '../libvirt/procedures/stats.ts';
import * as storage from '../libvirt/procedures/storage.ts';
import type { DomainRef, StoragePoolRef } from '../libvirt/types.ts';
import type { CallPool, CallResult, PoolCall } from './call-pool.ts';
import { domainRunId } from './domain-run-id.ts';
import type { LeaseTerms } from './worker-budget.ts';

/** virDomainStatsTypes that the exporter reads; all but `interface` need QEMU's monitor. */
export const StatsGroup = { balloon: 4, vcpu: 8, interface: 16, block: 32 } as const;

/** virConnectGetAllDomainStatsFlags: of a domain whose job lock is held, report at once what needs no monitor. */
const NOWAIT = 1 << 29;

export interface StatsTerms extends Pick<LeaseTerms, 'reading' | 'hasAnsweredSince'> {
  /** Calls are not sent after this moment, in the clock's milliseconds. */
  readonly deadline: number;
}

/**
 * What libvirt measures of running domains and storage pools, over the call pool. No call names two domains to QEMU: an
 * answer that does not come in time then says whose QEMU it is that does not respond.
 */
export class StatisticsClient {
  readonly #pool: CallPool;

  constructor(pool: CallPool) {
    this.#pool = pool;
  }

  /** {@link StatsGroup}s of one domain, or'ed together; no record when it does not run any more. */
  domainStats(
    domain: DomainRef,
    groups: number,
    terms: StatsTerms,
  ): Promise<CallResult<stats.DomainStatsRecord[]>> {
    const args = { domains: [domain], stats: groups, flags: NOWAIT };
    const key = `${domainRunId(domain)} stats`;
    const waitsFor = { domain, cause: 'monitor' } as const;
    return this.#call(key, stats.connectGetAllDomainStats, args, { ...terms, waitsFor });
  }

  /** Group `interface` of many domains, which needs no QEMU. */
  interfaceStats(
    domains: readonly DomainRef[],
    key: string,
    deadline: number,
  ): Promise<CallResult<stats.DomainStatsRecord[]>> {
    const args = { domains, stats: StatsGroup.interface, flags: NOWAIT };
    return this.#call(`${key} interfaces`, stats.connectGetAllDomainStats, args, always(deadline));
  }

  /** Processor time of a running domain by its cgroup, see {@link stats.domainGetCpuStats}. */
  cgroupCpuTimes(
    domain: DomainRef,
    deadline: number,
  ): Promise<CallResult<ReturnType<typeof stats.domainGetCpuStats.decode>>> {
    return this.#call(`${domainRunId(domain)} cpu`, stats.domainGetCpuStats, domain, always(deadline));
  }

  /** Processor time of a running domain by its process, which leaves out what the kernel does for it. */
  processCpuTimes(
    domain: DomainRef,
    deadline: number,
  ): Promise<CallResult<ReturnType<typeof stats.domainGetInfo.decode>>> {
    return this.#call(`${domainRunId(domain)} info`, stats.domainGetInfo, domain, always(deadline));
  }

  /** Whether a command waits for this domain's monitor, which libvirt reports without waiting. */
  controlInfo(
    domain: DomainRef,
    deadline: number,
  ): Promise<CallResult<ReturnType<typeof domainGetControlInfo.decode>>> {
    return this.#call(`${domainRunId(domain)} control`, domainGetControlInfo, domain, always(deadline));
  }

  /** The job that runs on a domain; waits for whatever holds the domain's job lock. */
  jobStats(
    domain: DomainRef,
    terms: StatsTerms,
  ): Promise<CallResult<ReturnType<typeof stats.domainGetJobStats.decode>>> {
    const waitsFor = { domain, cause: 'job' } as const;
    return this.#call(`${domainRunId(domain)} job`, stats.domainGetJobStats, domain, { ...terms, waitsFor });
  }

  storagePools(deadline: number): Promise<CallResult<StoragePoolRef[]>> {
    return this.#call('storage pools', storage.connectListAllStoragePools, undefined, always(deadline));
  }

  storagePool(pool: StoragePoolRef, deadline: number): Promise<CallResult<storage.StoragePoolInfo>> {
    return this.#call(`storage pool ${pool.name}`, storage.storagePoolGetInfo, pool, always(deadline));
  }

  #call<Args, Reply>(
    key: string,
    procedure: Procedure<Args, Reply>,
    args: Args,
    terms: StatsTerms & Pick<PoolCall<Args, Reply>, 'waitsFor'>,
  ): Promise<CallResult<Reply>> {
    return this.#pool.call({ key, use: 'statistics', procedure, args, ...terms }).result;
  }
}

/** For calls that wait for no QEMU, and so say nothing about one. */
function always(deadline: number): StatsTerms {
  return { deadline, hasAnsweredSince: () => true };
}
