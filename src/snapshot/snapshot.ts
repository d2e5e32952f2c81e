import type { GuestView } from '../guest/guest-state.ts';
import type { EmulatorFile } from '../host/emulator-file.ts';
import type { QemuProcess } from '../host/qemu-process.ts';
import type { VcpuFields } from '../host/vcpu-threads.ts';
import type { HypervisorInfo } from '../inventory/hypervisor.ts';
import type { DomainView } from '../inventory/inventory.ts';
import type { MeasuredDomain, StatsKind } from '../stats/stats-reader.ts';
import type { StoragePool } from '../stats/storage-pools.ts';

/** A domain with the host's, the guest's and libvirt's values of its current run. */
export interface DomainSnapshot extends DomainView {
  /** The QEMU process; undefined when there is none or the exporter cannot see it. */
  readonly process: QemuProcess | undefined;
  /** When this run began, Unix time in seconds; does not change during the run. Undefined when unknown. */
  readonly startSeconds: number | undefined;
  /** QEMU version of this run in the domain's log; undefined when the log cannot be read. */
  readonly loggedVersion: string | undefined;
  /** The emulator binary that is installed now; undefined when the exporter cannot see the file. */
  readonly emulatorFile: EmulatorFile | undefined;
  /** Result of the guest's last probe; undefined when the domain does not run or guests are not probed. */
  readonly guest: GuestView | undefined;
  /** vCPU times from QEMU's threads on the host; undefined where libvirt has to supply them. */
  readonly vcpus: ReadonlyMap<number, VcpuFields> | undefined;
  /** Statistics of this run. Of a domain that is shut off, sizes of disks and memory, once libvirt has returned them. */
  readonly measured: MeasuredDomain | undefined;
}

/** All input of one scrape's collectors. */
export interface Snapshot {
  readonly hypervisor: HypervisorInfo | undefined;
  /** Number of domains by virDomainState, including domains that are not served. */
  readonly stateCounts: ReadonlyMap<number, number>;
  /** The domains that `--domain.include` and `--domain.exclude` select. */
  readonly domains: readonly DomainSnapshot[];
  /** Undefined when pools are not wanted, or could not be listed for a minute. */
  readonly pools: readonly StoragePool[] | undefined;
  /** Wanted kinds that could not be read for any domain. */
  readonly unmeasured: ReadonlySet<StatsKind>;
  /** Whether two paths of configurations are one file on the host, as far as the exporter can see. */
  readonly isSameFile: (a: string, b: string) => boolean;
  /** End of life of an osinfo id, Unix time in seconds. */
  readonly endOfLife: (osId: string) => number | undefined;
  /** Whether osinfo-db has this id. */
  readonly isKnownOs: (osId: string) => boolean;
}
