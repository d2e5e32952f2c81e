import type { Logger } from 'pino';
import { createYield } from '../concurrency.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import type { TakeSnapshot } from '../snapshot/take-snapshot.ts';
import type { StatsKind } from '../stats/stats-reader.ts';
import type { Collector } from './collector.ts';
import { type Format, writeFamily } from './exposition.ts';
import { boolToNumber, gauge, type MetricFamily } from './metric-family.ts';
import type { TextBuffer } from './text-buffer.ts';

export interface ScraperOptions {
  readonly collectors: readonly Collector[];
  /** Takes the snapshot that the collectors work on; rejects when libvirt does not answer by the deadline. */
  readonly takeSnapshot: TakeSnapshot;
  readonly log: Logger;
}

/** What one client asks for. */
export interface ScrapeRequest {
  readonly timeoutMs: number;
  readonly format: Format;
  /** Whether a collector of this name is wanted. */
  readonly selects: (collector: string) => boolean;
  /** Aborted when the client is gone; the scrape then stops early, and what it wrote is of no use. */
  readonly signal: AbortSignal;
}

interface PendingSnapshot {
  readonly snapshot: Promise<Snapshot>;
  /** performance.now() milliseconds. */
  readonly deadline: number;
}

/** Runs scrapes: takes one snapshot for all that arrive together, and lets each collector turn them into metrics. */
export class Scraper {
  readonly #options: ScraperOptions;
  readonly #failing = new Map<string, string>();
  /** Those under way, by what they measure. */
  readonly #snapshots = new Map<string, PendingSnapshot>();

  constructor(options: ScraperOptions) {
    this.#options = options;
  }

  /**
   * Writes the metrics of the collectors that the request selects, within its timeout. Never throws: when
   * libvirt does not answer in time, `libvirt_up` is 0 and no domain is served.
   */
  async scrape(out: TextBuffer, { timeoutMs, format, selects, signal }: ScrapeRequest): Promise<void> {
    const collectors = this.#options.collectors.filter(({ name }) => selects(name));
    const kinds = new Set(collectors.flatMap(({ measures }) => measures ?? []));
    const snapshot = await this.#snapshotWithin(timeoutMs, kinds);
    if (signal.aborted) return;
    const up = gauge('libvirt_up', 'Whether libvirt answered this scrape.');
    up.samples.push({ labels: {}, value: boolToNumber(snapshot !== undefined) });
    const success = gauge(
      'libvirt_scrape_collector_success',
      'Whether the collector could read what it shows; 0 for all while libvirt does not answer.',
    );
    const duration = gauge(
      'libvirt_scrape_collector_duration_seconds',
      'How long the collector took to make its metrics, reading from libvirt and writing not included.',
    );
    const pause = createYield();
    const write = async (family: MetricFamily): Promise<void> => {
      writeFamily(out, family, format);
      await pause();
    };
    await write(up);
    for (const collector of collectors) {
      const run = snapshot === undefined ? undefined : this.#run(collector, snapshot);
      let succeeded = false;
      let tookMs = 0;
      for (;;) {
        const begun = performance.now();
        const made = run?.next();
        tookMs += performance.now() - begun;
        if (made === undefined) break;
        if (made.done === true) {
          succeeded = made.value;
          break;
        }
        await write(made.value);
        if (signal.aborted) return;
      }
      const labels = { collector: collector.name };
      const isMeasured = collector.measures?.every((kind) => snapshot?.unmeasured.has(kind) !== true) ?? true;
      success.samples.push({ labels, value: boolToNumber(succeeded && isMeasured) });
      duration.samples.push({ labels, value: tookMs / 1000 });
    }
    await write(success);
    await write(duration);
  }

  async #snapshotWithin(timeoutMs: number, kinds: ReadonlySet<StatsKind>): Promise<Snapshot | undefined> {
    const deadline = performance.now() + timeoutMs;
    const joined = this.#snapshots.get(keyOf(kinds));
    const snapshot = await this.#snapshotOrTimeout(deadline, kinds);
    // The scrape that began the snapshot may have had less time than this one has.
    const cutShort = snapshot === undefined && joined !== undefined && performance.now() >= joined.deadline;
    return cutShort ? this.#snapshotOrTimeout(deadline, kinds) : snapshot;
  }

  async #snapshotOrTimeout(deadline: number, kinds: ReadonlySet<StatsKind>): Promise<Snapshot | undefined> {
    const remainingMs = deadline - performance.now();
    if (remainingMs <= 0) return undefined;
    const underWay = this.#snapshots.get(keyOf(kinds));
    const running = canJoin(underWay, deadline) ? underWay : this.#begin(deadline, kinds);
    const pending = running.snapshot.catch(() => undefined); // the session logs why libvirt is away
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), remainingMs);
    });
    try {
      return await Promise.race([pending, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  #begin(deadline: number, kinds: ReadonlySet<StatsKind>): PendingSnapshot {
    const key = keyOf(kinds);
    const snapshot = this.#options.takeSnapshot(deadline, kinds).finally(() => {
      if (this.#snapshots.get(key) === pending) this.#snapshots.delete(key);
    });
    const pending = { snapshot, deadline };
    this.#snapshots.set(key, pending);
    return pending;
  }

  /** The collector's families; returns whether it made them all. */
  *#run(collector: Collector, snapshot: Snapshot): Generator<MetricFamily, boolean> {
    try {
      yield* collector.collect(snapshot);
      this.#failing.delete(collector.name);
      return true;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (this.#failing.get(collector.name) !== message) {
        this.#failing.set(collector.name, message);
        this.#options.log.error({ collector: collector.name, err: error }, 'collector failed');
      }
      return false;
    }
  }
}

/**
 * One that ends later would leave this scrape without anything at its own deadline; one with much less time may have
 * found no time for what this scrape can wait for.
 */
function canJoin(pending: PendingSnapshot | undefined, deadline: number): pending is PendingSnapshot {
  if (pending === undefined) return false;
  const now = performance.now();
  return pending.deadline <= deadline && pending.deadline - now >= (deadline - now) / 2;
}

function keyOf(kinds: ReadonlySet<StatsKind>): string {
  return [...kinds].sort().join();
}
