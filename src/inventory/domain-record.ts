import type { DiskEvents } from './disk-events.ts';
import type { DomainConfig } from './domain-config.ts';
import type { LifecycleEventCounts } from './lifecycle-events.ts';

/** What the inventory knows of one domain. It keeps the record between scrapes and reads the domain again after an event. */
export interface DomainRecord {
  readonly uuid: string;
  readonly name: string;
  /** Number of the current run, -1 when the domain does not run. */
  readonly id: number;
  /** Configuration of the running domain; for a domain that is shut off, the configuration of its next start. */
  readonly current: DomainConfig | undefined;
  /** Configuration of the next start; undefined unless the domain runs and is persistent. */
  readonly persistent: DomainConfig | undefined;
  /**
   * The persistent configuration when the exporter first read it in this run. If the exporter observed the start, the run began
   * with it.
   */
  readonly persistentAtStart: DomainConfig | undefined;
  /** The domain's snapshots; undefined when libvirt has not returned them. */
  readonly snapshots: SnapshotSummary | undefined;
  /** Lifecycle events since the exporter started. */
  readonly events: LifecycleEventCounts;
  readonly diskEvents: DiskEvents;
  /** Why the last read of the configuration failed; the earlier configuration stays. */
  readonly problem: RecordProblem | undefined;
  /** Hypervisor version at the start of this run; undefined when the exporter did not observe the start. */
  readonly startedWithVersion: string | undefined;
  /** When the exporter observed the start of this run, Unix time in seconds. */
  readonly startObservedSeconds: number | undefined;
  /**
   * Whether the observed start is certainly this run's. False after the connection was lost: a domain that was restarted
   * meanwhile may have the same id, and the same run may have another id.
   */
  readonly startObserved: boolean;
}

export interface RecordProblem {
  /** Stable error code. */
  readonly code: string;
  readonly message: string;
}

export interface SnapshotSummary {
  readonly count: number;
  /** When the oldest was made, Unix time; undefined without snapshots. */
  readonly oldestSeconds: number | undefined;
}
