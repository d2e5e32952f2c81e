import type { ScrapeFacts } from './facts.ts';
import type { MetricFamily } from './metric-family.ts';

/** Turns facts into metric families. Collectors read nothing themselves and hold no state. */
export interface Collector {
  /** As in `--collector.NAME`. */
  readonly name: string;
  /** Half a sentence for `--help`. */
  readonly help: string;
  readonly enabledByDefault: boolean;
  readonly collect: (facts: ScrapeFacts) => MetricFamily[];
}
