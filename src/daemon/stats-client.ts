import { closeConnection, openConnection } from '../libvirt/connect.ts';
import type { LibvirtTransportError } from '../libvirt/errors.ts';
import { domainGetControlInfo } from '../libvirt/procedures/domain.ts';
import * as stats from '../libvirt/procedures/stats.ts';
import * as storage from '../libvirt/procedures/storage.ts';
import type { RpcConnection } from '../libvirt/rpc-connection.ts';
import type { DomainRef, StoragePoolRef, TypedValue } from '../libvirt/types.ts';
import type { LibvirtTarget } from '../libvirt/uri.ts';
import type { Integer64 } from '../libvirt/xdr.ts';

/** virDomainStatsTypes that the exporter asks for; all but `interface` take a word with QEMU's monitor. */
export const StatsGroup = { balloon: 4, vcpu: 8, interface: 16, block: 32 } as const;

/** virConnectGetAllDomainStatsFlags: of a domain that is busy, tell at once what needs no monitor. */
const NOWAIT = 1 << 29;
/**
 * These calls are given up by those who wait and never here: an answer, or the end of the connection, is what tells that
 * the daemon no longer works on one. It is the longest that Node's timers can wait, 24 days.
 */
const NEVER_MS = 2 ** 31 - 1;

/** In seconds. */
export interface CpuTimes {
  readonly total: number;
  /** Undefined where only the sum is known. */
  readonly user: number | undefined;
  readonly system: number | undefined;
}

export interface DomainJob {
  /** Progress by VIR_DOMAIN_JOB_* names. */
  readonly params: ReadonlyMap<string, TypedValue>;
}

export interface StatsClientOptions {
  readonly target: LibvirtTarget;
  /** Deadline of connecting, in milliseconds. */
  readonly timeoutMs: number;
  readonly onClose: (reason: LibvirtTransportError) => void;
  readonly onCallSent: (procedure: string) => void;
}

/**
 * A read-only connection for what can hang: calls that libvirt answers when a domain's QEMU or a storage pool lets it.
 * The connection of events and configuration stays free of them.
 */
export class StatsClient {
  readonly #connection: RpcConnection;

  private constructor(connection: RpcConnection) {
    this.#connection = connection;
  }

  /** @throws LibvirtTransportError or LibvirtServerError when there is no way in */
  static async connect(options: StatsClientOptions): Promise<StatsClient> {
    const { target, timeoutMs, onClose, onCallSent } = options;
    const connection = await openConnection({
      socketPaths: target.readOnlySockets,
      connectName: target.connectName,
      readOnly: true,
      timeoutMs,
      onClose,
      onCallSent,
      onEvent: () => undefined,
    });
    return new StatsClient(connection);
  }

  get isOpen(): boolean {
    return this.#connection.isOpen;
  }

  /** Statistics of these domains, {@link StatsGroup}s or'ed together; those that are gone are left out. */
  domainStats(domains: readonly DomainRef[], groups: number): Promise<stats.DomainStatsRecord[]> {
    const args = { domains, stats: groups, flags: NOWAIT };
    return this.#connection.call(stats.connectGetAllDomainStats, args, NEVER_MS);
  }

  /** Processor time of a running domain by its cgroup; undefined where libvirt has none for it. */
  async cgroupCpuTimes(domain: DomainRef): Promise<CpuTimes | undefined> {
    const params = await this.#connection.call(stats.domainGetCpuStats, domain, NEVER_MS);
    const total = seconds(params.get('cpu_time'));
    if (total === undefined) return undefined;
    return { total, user: seconds(params.get('user_time')), system: seconds(params.get('system_time')) };
  }

  /** Processor time of a running domain by its process, which leaves out what the kernel does for it. */
  async processCpuTimes(domain: DomainRef): Promise<CpuTimes> {
    const { cpuTime } = await this.#connection.call(stats.domainGetInfo, domain, NEVER_MS);
    return { total: Number(cpuTime) / 1e9, user: undefined, system: undefined };
  }

  /**
   * The job that runs on a domain now, `none`, or undefined while its monitor is busy: asking for the job waits for the
   * domain then, and asking whether the monitor is busy never does. (That a job runs the latter does not tell: it names
   * an asynchronous job, such as a backup, only while another call is at work on the domain.)
   */
  async job(domain: DomainRef): Promise<DomainJob | 'none' | undefined> {
    if (await this.isMonitorOccupied(domain)) return undefined;
    const none = 0;
    const { type, params } = await this.#connection.call(stats.domainGetJobStats, domain, NEVER_MS);
    return type === none ? 'none' : { params };
  }

  /** Whether a command waits for this domain's monitor, which libvirt tells without waiting. */
  async isMonitorOccupied(domain: DomainRef): Promise<boolean> {
    return (await this.#connection.call(domainGetControlInfo, domain, NEVER_MS)).isOccupied;
  }

  storagePools(): Promise<StoragePoolRef[]> {
    return this.#connection.call(storage.connectListAllStoragePools, undefined, NEVER_MS);
  }

  storagePool(pool: StoragePoolRef): Promise<storage.StoragePoolInfo> {
    return this.#connection.call(storage.storagePoolGetInfo, pool, NEVER_MS);
  }

  close(): Promise<void> {
    return closeConnection(this.#connection);
  }
}

function seconds(nanoseconds: Integer64 | string | boolean | undefined): number | undefined {
  return nanoseconds === undefined ? undefined : Number(nanoseconds) / 1e9;
}
