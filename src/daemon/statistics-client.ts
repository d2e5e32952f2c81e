import { domainGetControlInfo } from '../libvirt/procedures/domain.ts';
import type { Procedure } from '../libvirt/procedures/procedure.ts';
import * as stats from '../libvirt/procedures/stats.ts';
import * as storage from '../libvirt/procedures/storage.ts';
import type { DomainRef, StoragePoolRef } from '../libvirt/types.ts';
import type { CallPool, CallResult, PoolCall } from './call-pool.ts';
import type { Clock } from './clock.ts';
import { domainRunId } from './domain-run-id.ts';
import type { LeaseTerms } from './worker-budget.ts';

/** virDomainStatsTypes that the exporter reads; all but `interface` need QEMU's monitor. */
export const StatsGroup = { balloon: 4, vcpu: 8, interface: 16, block: 32 } as const;

/** virConnectGetAllDomainStatsFlags: do not wait for a domain's job lock, but return the fields that need no monitor. */
const NOWAIT = 1 << 29;
/** The same: list every image of a disk, with the target of a copy or backup that runs (seen on libvirt 9.0 to 12.8). */
const BACKING = 1 << 30;

export interface StatsTerms extends Pick<LeaseTerms, 'round' | 'hasAnsweredSince'> {
  /** Calls that are still waiting at this time are not sent; in the clock's milliseconds. */
  readonly deadline: number;
}

/**
 * Calls for statistics of running domains and storage pools, over the call pool. No call needs the QEMUs of two domains: one
 * that is not answered in time shows which domain's QEMU does not respond.
 */
export class StatisticsClient {
  /** The clock of deadlines. */
  readonly clock: Clock;
  readonly #pool: CallPool;

  constructor(pool: CallPool) {
    this.#pool = pool;
    this.clock = pool.clock;
  }

  /** The domain has answered in full, see {@link CallPool.responded}. */
  responded(domain: DomainRef): void {
    this.#pool.responded(domain);
  }

  /** Forgets all runs but these. */
  keepOnly(runs: ReadonlySet<string>): void {
    this.#pool.keepOnly(runs);
  }

  /** Statistics of one domain; `groups` is a bit set of {@link StatsGroup}. No record when the domain has stopped. */
  domainStats(
    domain: DomainRef,
    groups: number,
    terms: StatsTerms,
  ): Promise<CallResult<stats.DomainStatsRecord[]>> {
    const args = { domains: [domain], stats: groups, flags: NOWAIT | BACKING };
    const key = `${domainRunId(domain)} stats`;
    const waitsFor = { domain, cause: 'monitor' } as const;
    return this.#call(key, stats.connectGetAllDomainStats, args, { ...terms, waitsFor });
  }

  /** Statistics of a domain that is shut off. libvirt reads the headers of its images, which no QEMU is needed for. */
  shutOffStats(
    domain: DomainRef,
    groups: number,
    deadline: number,
  ): Promise<CallResult<stats.DomainStatsRecord[]>> {
    const args = { domains: [domain], stats: groups, flags: NOWAIT };
    const key = `${domainRunId(domain)} shut off`;
    return this.#call(key, stats.connectGetAllDomainStats, args, always(deadline));
  }

  /** Interface statistics of many domains; they need no QEMU. */
  interfaceStats(
    domains: readonly DomainRef[],
    key: string,
    deadline: number,
  ): Promise<CallResult<stats.DomainStatsRecord[]>> {
    const args = { domains, stats: StatsGroup.interface, flags: NOWAIT };
    return this.#call(`${key} interfaces`, stats.connectGetAllDomainStats, args, always(deadline));
  }

  /** Processor time of a running domain from its cgroup, see {@link stats.domainGetCpuStats}. */
  cgroupCpuTimes(
    domain: DomainRef,
    deadline: number,
  ): Promise<CallResult<ReturnType<typeof stats.domainGetCpuStats.decode>>> {
    return this.#call(`${domainRunId(domain)} cpu`, stats.domainGetCpuStats, domain, always(deadline));
  }

  /** Processor time of a running domain's process, without the kernel's work for the domain. */
  processCpuTimes(
    domain: DomainRef,
    deadline: number,
  ): Promise<CallResult<ReturnType<typeof stats.domainGetInfo.decode>>> {
    return this.#call(`${domainRunId(domain)} info`, stats.domainGetInfo, domain, always(deadline));
  }

  /** Whether a command waits for this domain's monitor; libvirt reports this without waiting. */
  controlInfo(
    domain: DomainRef,
    deadline: number,
  ): Promise<CallResult<ReturnType<typeof domainGetControlInfo.decode>>> {
    return this.#call(`${domainRunId(domain)} control`, domainGetControlInfo, domain, always(deadline));
  }

  /** The domain's current job. The call waits for the domain's job lock. */
  jobStats(
    domain: DomainRef,
    terms: StatsTerms,
  ): Promise<CallResult<ReturnType<typeof stats.domainGetJobStats.decode>>> {
    const waitsFor = { domain, cause: 'job' } as const;
    return this.#call(`${domainRunId(domain)} job`, stats.domainGetJobStats, domain, { ...terms, waitsFor });
  }

  /** Disks that have stopped the domain, by target name, see {@link stats.domainGetDiskErrors}. */
  diskErrors(
    domain: DomainRef,
    terms: StatsTerms,
  ): Promise<CallResult<ReturnType<typeof stats.domainGetDiskErrors.decode>>> {
    const key = `${domainRunId(domain)} disk errors`;
    const waitsFor = { domain, cause: 'monitor' } as const;
    return this.#call(key, stats.domainGetDiskErrors, domain, { ...terms, waitsFor });
  }

  /** The block job of a disk, named by its target. The call waits for the domain's job lock and its QEMU. */
  blockJob(
    domain: DomainRef,
    device: string,
    terms: StatsTerms,
  ): Promise<CallResult<stats.BlockJobInfo | undefined>> {
    const key = `${domainRunId(domain)} block job ${device}`;
    const waitsFor = { domain, cause: 'job' } as const;
    return this.#call(key, stats.domainGetBlockJobInfo, { domain, device }, { ...terms, waitsFor });
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

/** Terms of calls that need no QEMU: any domain counts as one that has answered. */
function always(deadline: number): StatsTerms {
  return { deadline, hasAnsweredSince: () => true };
}
