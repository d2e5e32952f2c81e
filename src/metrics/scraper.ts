import type { Logger } from 'pino';
import { createYield } from '../concurrency.ts';
import type { Snapshot, SnapshotKind } from '../snapshot/snapshot.ts';
import type { TakeSnapshot } from '../snapshot/take-snapshot.ts';
import type { Collector } from './collector.ts';
import { type Format, writeFamily } from './exposition.ts';
import {
  addBoolean,
  addSample,
  type FamilySpec,
  gauge,
  type MetricFamily,
  newFamily,
} from './metric-family.ts';
import type { TextBuffer } from './text-buffer.ts';

const UP = gauge('libvirt_up', 'Whether libvirt answered this scrape: 1 yes, 0 no.', []);
const SUCCESS = gauge(
  'libvirt_scrape_collector_success',
  'Whether the collector could read what it serves: 1 yes, 0 no; 0 for every collector while libvirt does not answer.',
  ['collector'],
);
const DURATION = gauge(
  'libvirt_scrape_collector_duration_seconds',
  'Time that the collector took to make its metrics, in seconds; reading from libvirt and writing are not included.',
  ['collector'],
);

/** What every scrape serves, whatever collectors are enabled. */
export const SCRAPE_FAMILIES: readonly FamilySpec[] = [UP, SUCCESS, DURATION];

interface ScraperOptions {
  readonly collectors: readonly Collector[];
  /** Takes the snapshot that the collectors work on; rejects when libvirt does not answer by the deadline. */
  readonly takeSnapshot: TakeSnapshot;
  readonly log: Logger;
}

/** One client's request. */
export interface ScrapeRequest {
  readonly timeoutMs: number;
  readonly format: Format;
  /** Whether a collector of this name is wanted. */
  readonly selects: (collector: string) => boolean;
  /** Aborted when the client is gone; the scrape then stops early and its text is incomplete. */
  readonly signal: AbortSignal;
}

interface PendingSnapshot {
  readonly snapshot: Promise<Snapshot>;
  /** performance.now() milliseconds. */
  readonly deadline: number;
}

/** Runs scrapes. Scrapes that arrive together share one snapshot; each collector turns the snapshot into metrics. */
export class Scraper {
  readonly #options: ScraperOptions;
  readonly #failing = new Map<string, string>();
  /** Snapshots in progress, by what they measure. */
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
    const up = newFamily(UP);
    addBoolean(up, {}, snapshot !== undefined);
    const success = newFamily(SUCCESS);
    const duration = newFamily(DURATION);
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
      addBoolean(success, labels, succeeded && isMeasured);
      addSample(duration, labels, tookMs / 1000);
    }
    await write(success);
    await write(duration);
  }

  async #snapshotWithin(timeoutMs: number, kinds: ReadonlySet<SnapshotKind>): Promise<Snapshot | undefined> {
    const deadline = performance.now() + timeoutMs;
    const joined = this.#snapshots.get(keyOf(kinds));
    const snapshot = await this.#snapshotOrTimeout(deadline, kinds);
    // The snapshot may have been started by a scrape with less time than this one.
    const cutShort = snapshot === undefined && joined !== undefined && performance.now() >= joined.deadline;
    return cutShort ? this.#snapshotOrTimeout(deadline, kinds) : snapshot;
  }

  async #snapshotOrTimeout(
    deadline: number,
    kinds: ReadonlySet<SnapshotKind>,
  ): Promise<Snapshot | undefined> {
    const remainingMs = deadline - performance.now();
    if (remainingMs <= 0) return undefined;
    const inProgress = this.#snapshots.get(keyOf(kinds));
    const running = canJoin(inProgress, deadline) ? inProgress : this.#begin(deadline, kinds);
    const pending = running.snapshot.catch(() => undefined); // the event connection logs why libvirt does not answer
    let timer: NodeJS.Timeout | undefined;
    const timedOut = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), remainingMs);
    });
    try {
      return await Promise.race([pending, timedOut]);
    } finally {
      clearTimeout(timer);
    }
  }

  #begin(deadline: number, kinds: ReadonlySet<SnapshotKind>): PendingSnapshot {
    const key = keyOf(kinds);
    const snapshot = this.#options.takeSnapshot(deadline, kinds).finally(() => {
      if (this.#snapshots.get(key) === pending) this.#snapshots.delete(key);
    });
    const pending = { snapshot, deadline };
    this.#snapshots.set(key, pending);
    return pending;
  }

  /** Yields the collector's families; returns whether the collector made them all. */
  *#run(collector: Collector, snapshot: Snapshot): Generator<MetricFamily, boolean> {
    try {
      yield* collector.collect(snapshot);
      this.#failing.delete(collector.name);
      return true;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (this.#failing.get(collector.name) !== message) {
        this.#failing.set(collector.name, message);
        this.#options.log.error(
          { collector: collector.name, err: error },
          'collector failed; its metrics are missing from the scrape',
        );
      }
      return false;
    }
  }
}

/**
 * A snapshot with a later deadline could leave this scrape with nothing at its own deadline. A snapshot with less than
 * half of this scrape's time may leave out domains that this scrape has time to wait for.
 */
function canJoin(pending: PendingSnapshot | undefined, deadline: number): pending is PendingSnapshot {
  if (pending === undefined) return false;
  const now = performance.now();
  return pending.deadline <= deadline && pending.deadline - now >= (deadline - now) / 2;
}

function keyOf(kinds: ReadonlySet<SnapshotKind>): string {
  return [...kinds].sort().join();
}
