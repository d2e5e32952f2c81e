import type { GuestView } from '../guest/guest-state.ts';
import type { EmulatorFile } from '../host/emulator-file.ts';
import type { QemuProcess } from '../host/qemu-process.ts';
import type { VcpuFields } from '../host/vcpu-threads.ts';
import type { HypervisorInfo } from '../inventory/hypervisor.ts';
import type { DomainView } from '../inventory/inventory.ts';
import type { MeasuredDomain, StatsKind } from '../stats/stats-reader.ts';
import type { StoragePool } from '../stats/storage-pools.ts';

/** A domain with what the host tells of its current run. */
export interface DomainSnapshot extends DomainView {
  /** The QEMU process; undefined when it does not run or cannot be seen. */
  readonly process: QemuProcess | undefined;
  /** QEMU version that the domain's log gives for this run; undefined when it cannot be read. */
  readonly loggedVersion: string | undefined;
  /** The emulator binary as it is installed now; undefined when it cannot be seen. */
  readonly emulatorFile: EmulatorFile | undefined;
  /** What the guest said last; undefined when it does not run or guests are not asked. */
  readonly guest: GuestView | undefined;
  /** Its vCPUs by their threads on the host; undefined where libvirt has to be asked for them. */
  readonly vcpus: ReadonlyMap<number, VcpuFields> | undefined;
  /** What libvirt measured of this run; undefined when it does not run. */
  readonly measured: MeasuredDomain | undefined;
}

/** Everything one scrape knows, taken before any collector runs. */
export interface Snapshot {
  readonly hypervisor: HypervisorInfo | undefined;
  /** Number of domains by virDomainState, those that are not served included. */
  readonly stateCounts: ReadonlyMap<number, number>;
  /** The domains that `--domain.include` and `--domain.exclude` leave. */
  readonly domains: readonly DomainSnapshot[];
  /** Undefined when they were not asked for, or could not be read for a while. */
  readonly pools: readonly StoragePool[] | undefined;
  /** What was asked for and could not be measured at all. */
  readonly unmeasured: ReadonlySet<StatsKind>;
  /** End of life of an osinfo id, Unix time in seconds. */
  readonly endOfLife: (osId: string) => number | undefined;
  /** Whether osinfo-db has this id. */
  readonly isKnownOs: (osId: string) => boolean;
}
