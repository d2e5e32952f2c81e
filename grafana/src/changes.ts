import { copyLabel, ONE_DOMAIN, select } from './queries.ts';

// How annotations find changes. Each expression compares now with what was last known one step ago, however long
// ago that was within a day: a change during an outage, or while a domain was off, is marked when data is back, and
// data that comes back unchanged (the exporter or Prometheus was restarted) is not. $__interval is the step itself,
// so that each change gives one point at any zoom.
const BEFORE = '[1d] offset $__interval';

/** When a label of an info metric takes another value: `was` holds the old one, the label the new one. */
export function changedLabel(metric: string, label: string, ...matchers: readonly string[]): string {
  const info = select(metric, ...matchers);
  // The latest one only: where Prometheus marks nothing stale (federation, push), the old one stays for minutes.
  const latest = (time: string): string =>
    `topk by (${ONE_DOMAIN}) (1, max by (${ONE_DOMAIN}, ${label}) (${time}))`;
  const now = latest(`timestamp(${info})`);
  const previous = latest(`max_over_time(timestamp(${info})[1d:1m] offset $__interval)`);
  const differs = `${now} unless on (${ONE_DOMAIN}, ${label}) ${previous}`;
  const was = copyLabel(previous, label, 'was');
  return `((${differs}) > bool 0) * on (${ONE_DOMAIN}) group_left (was) (${was} > bool 0)`;
}

/**
 * When a point in time that a metric tells moves: a start or a boot. Half a minute is left to clocks that are set;
 * a domain that was never seen, or not for a day, counts when it began within the last ten minutes.
 */
export function newTime(metric: string, ...matchers: readonly string[]): string {
  const time = select(metric, ...matchers);
  const before = `last_over_time(${time}${BEFORE})`;
  const moved = `abs(${time} - ${before}) > 30`;
  return `(${moved} or (${time} > time() - 600 unless on (${ONE_DOMAIN}) ${before})) > bool 0`;
}

/**
 * When a guest's boot time moves and its counters have begun anew. Boot time is the guest's clock less its uptime: it
 * moves, too, when a clock that stood still (the guest was suspended, or restored) is set right.
 */
export function booted(bootTime: string, counters: string, ...matchers: readonly string[]): string {
  const counted = select(counters, ...matchers);
  const resets = (range: string): string => `sum by (${ONE_DOMAIN}) (resets(${counted}${range}))`;
  const goesOn = `${resets('[1d]')} <= ${resets(BEFORE)}`;
  return `${newTime(bootTime, ...matchers)} unless on (${ONE_DOMAIN}) (${goesOn})`;
}

/** When a gauge changes; `change` says to zero, from zero, or between other values. */
export function changedSize(metric: string, ...matchers: readonly string[]): string {
  const now = select(metric, ...matchers);
  const before = `last_over_time(${now}${BEFORE})`;
  // Grafana draws values above 0 only, so a comparison's own value (0 bytes) would go unseen.
  const off = `(${now} == bool 0) * (${before} > bool 0) == 1`;
  const on = `(${now} > bool 0) * (${before} == bool 0) == 1`;
  const resized = `(${now} != bool ${before}) * (${now} * ${before} > bool 0) == 1`;
  return [
    [off, 'turned off'],
    [on, 'turned on'],
    [resized, 'resized'],
  ]
    .map(([expression, change]) => `label_replace(${expression}, "change", "${change}", "", "")`)
    .join(' or ');
}
