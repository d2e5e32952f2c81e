import type { DomainConfig } from './domain-config.ts';
import type { LifecycleEventCounts } from './lifecycle-events.ts';

/** What is known of one domain, kept between scrapes and read anew only when an event says that it changed. */
export interface DomainRecord {
  readonly uuid: string;
  readonly name: string;
  /** Number of the current run, -1 when the domain does not run. */
  readonly id: number;
  /** Configuration the domain runs with; of a shut-off domain, the one its next start will use. */
  readonly current: DomainConfig | undefined;
  /** Configuration that the next start will use; undefined unless the domain runs and is persistent. */
  readonly persistent: DomainConfig | undefined;
  /** Lifecycle events seen since the exporter started. */
  readonly events: LifecycleEventCounts;
  /** Why the configuration could not be read the last time; what is known from before stays. */
  readonly problem: RecordProblem | undefined;
  /** Hypervisor version at the start of this run, when the exporter saw it start. */
  readonly startedWithVersion: string | undefined;
  /** Unix time in seconds at which the exporter saw this run start. */
  readonly startObservedSeconds: number | undefined;
  /**
   * Whether the start that was seen is this run's. Not known since the connection was lost: a domain that was restarted
   * meanwhile may have the same id, or the same run another one.
   */
  readonly startObserved: boolean;
}

export interface RecordProblem {
  /** Stable error code. */
  readonly code: string;
  readonly message: string;
}
