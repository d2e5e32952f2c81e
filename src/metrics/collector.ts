import type { Snapshot } from '../snapshot/snapshot.ts';
import type { StatsKind } from '../stats/stats-reader.ts';
import type { MetricFamily } from './metric-family.ts';

/** Turns a snapshot into metric families. Collectors read nothing themselves and hold no state. */
export interface Collector {
  /** As in `--collector.NAME`. */
  readonly name: string;
  /** Half a sentence for `--help`. */
  readonly help: string;
  readonly enabledByDefault: boolean;
  /** What has to be measured for it in each scrape; nothing when left out. */
  readonly measures?: readonly StatsKind[];
  /** Large ones are made one at a time, as they are taken: others get a turn between two of them. */
  readonly collect: (snapshot: Snapshot) => Iterable<MetricFamily>;
}
