import type { RunningVersion } from '../drift/qemu-version.ts';
import type { GuestView } from '../guest/guest-state.ts';
import type { EmulatorFile } from '../host/emulator-file.ts';
import type { HostResources } from '../host/host-resources.ts';
import type { ProcessKind, ProcessSample } from '../host/process-sampler.ts';
import type { QemuProcess } from '../host/qemu-process.ts';
import type { VcpuFields } from '../host/qemu-threads.ts';
import type { HypervisorInfo } from '../inventory/hypervisor.ts';
import type { DomainView } from '../inventory/inventory.ts';
import type { MeasuredDomain, StatsKind } from '../stats/stats-reader.ts';
import type { StoragePool } from '../stats/storage-pools.ts';
import type { NextStart } from './next-start.ts';

export { PRESSURE_RESOURCES, type PressureTotals } from '../host/pressure.ts';
export type { HostResources, ProcessSample };

/** The kinds of values that a scrape reads only for the collectors that serve them. */
export type SnapshotKind = StatsKind | ProcessKind | 'host';

/** A domain with the host's, the guest's and libvirt's values of its current run. */
export interface DomainSnapshot extends DomainView {
  /** The QEMU process; undefined when there is none or the exporter cannot see it. */
  readonly process: QemuProcess | undefined;
  /** When this run began, Unix time in seconds; does not change during the run. Undefined when unknown. */
  readonly startSeconds: number | undefined;
  /** QEMU version of this run in the domain's log; undefined when the log cannot be read. */
  readonly loggedVersion: string | undefined;
  /** QEMU version of this run that an earlier snapshot showed. */
  readonly rememberedVersion: RunningVersion | undefined;
  /** The emulator binary that is installed now; undefined when the exporter cannot see the file. */
  readonly emulatorFile: EmulatorFile | undefined;
  /**
   * Version of the installed emulator; undefined where libvirt does not report the version of this one, or has not examined
   * the file since the file was replaced.
   */
  readonly installedVersion: string | undefined;
  readonly nextStart: NextStart;
  /** Result of the guest's last probe; undefined when the domain does not run or guests are not probed. */
  readonly guest: GuestView | undefined;
  /** vCPU times from QEMU's threads on the host; undefined where libvirt has to supply them. */
  readonly vcpus: ReadonlyMap<number, VcpuFields> | undefined;
  /** The QEMU process and its cgroup now; undefined when the exporter cannot see the process. */
  readonly processSample: ProcessSample | undefined;
  /** How long a thread of QEMU has been blocked, in seconds, see ThreadSample; undefined when not wanted or not visible. */
  readonly blockedSeconds: number | undefined;
  /** Statistics of this run. Of a domain that is shut off, sizes of disks and memory, once libvirt has returned them. */
  readonly measured: MeasuredDomain | undefined;
}

/** All input of one scrape's collectors. */
export interface Snapshot {
  readonly hypervisor: HypervisorInfo | undefined;
  /** Number of domains by virDomainState, including domains that are not served. */
  readonly stateCounts: ReadonlyMap<number, number>;
  /** Undefined when not wanted. */
  readonly host: HostResources | undefined;
  /** The domains that `--domain.include` and `--domain.exclude` select. */
  readonly domains: readonly DomainSnapshot[];
  /** Undefined when pools are not wanted, or could not be listed for a minute. */
  readonly pools: readonly StoragePool[] | undefined;
  /** Wanted kinds that could not be read for any domain. */
  readonly unmeasured: ReadonlySet<SnapshotKind>;
  /** Whether two paths of configurations are one file on the host, as far as the exporter can see. */
  readonly isSameFile: (a: string, b: string) => boolean;
  /** End of life of an osinfo id, Unix time in seconds. */
  readonly endOfLife: (osId: string) => number | undefined;
  /** Whether osinfo-db has this id. */
  readonly isKnownOs: (osId: string) => boolean;
}
