import type { Snapshot, SnapshotKind } from '../snapshot/snapshot.ts';
import type { FamilySpec, MetricFamily } from './metric-family.ts';

/** Turns a snapshot into metric families. Collectors read nothing themselves and hold no state. */
export interface Collector {
  /** As in `--collector.NAME`. */
  readonly name: string;
  /** Half a sentence for `--help`. */
  readonly help: string;
  readonly enabledByDefault: boolean;
  /** What all its families need, in Markdown; left out when libvirt's read-only socket is enough. */
  readonly needs?: string;
  /** What has to be measured for the collector in each scrape; nothing when left out. */
  readonly measures?: readonly SnapshotKind[];
  /** Every family that `collect` can return, in its order. */
  readonly families: readonly FamilySpec[];
  /** A generator makes large families one at a time, so that other work can run between two of them. */
  readonly collect: (snapshot: Snapshot) => Iterable<MetricFamily>;
}
