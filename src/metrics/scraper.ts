import type { Logger } from 'pino';
import { createPause } from '../concurrency.ts';
import type { ScrapeFacts } from '../snapshot/snapshot.ts';
import type { Gather } from '../snapshot/take-snapshot.ts';
import type { StatsKind } from '../stats/stats-reader.ts';
import type { Collector } from './collector.ts';
import { type Format, writeFamily } from './exposition.ts';
import { flag, gauge, type MetricFamily } from './metric-family.ts';
import type { TextBuffer } from './text-buffer.ts';

export interface ScraperOptions {
  readonly collectors: readonly Collector[];
  /** Gathers what the collectors work on; rejects when libvirt does not answer by the deadline. */
  readonly gather: Gather;
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

interface Gathering {
  readonly facts: Promise<ScrapeFacts>;
  /** performance.now() milliseconds. */
  readonly deadline: number;
}

/** Runs scrapes: gathers facts once for all that arrive together, and lets each collector turn them into metrics. */
export class Scraper {
  readonly #options: ScraperOptions;
  readonly #failing = new Map<string, string>();
  /** Those under way, by what they measure. */
  readonly #gatherings = new Map<string, Gathering>();

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
    const facts = await this.#gatherWithin(timeoutMs, kinds);
    if (signal.aborted) return;
    const up = gauge('libvirt_up', 'Whether libvirt answered this scrape.');
    up.samples.push({ labels: {}, value: flag(facts !== undefined) });
    const success = gauge(
      'libvirt_scrape_collector_success',
      'Whether the collector could read what it shows; 0 for all while libvirt does not answer.',
    );
    const duration = gauge(
      'libvirt_scrape_collector_duration_seconds',
      'How long the collector took to make its metrics, reading from libvirt and writing not included.',
    );
    const pause = createPause();
    const write = async (family: MetricFamily): Promise<void> => {
      writeFamily(out, family, format);
      await pause();
    };
    await write(up);
    for (const collector of collectors) {
      const run = facts === undefined ? undefined : this.#run(collector, facts);
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
      const isMeasured = collector.measures?.every((kind) => facts?.unmeasured.has(kind) !== true) ?? true;
      success.samples.push({ labels, value: flag(succeeded && isMeasured) });
      duration.samples.push({ labels, value: tookMs / 1000 });
    }
    await write(success);
    await write(duration);
  }

  async #gatherWithin(timeoutMs: number, kinds: ReadonlySet<StatsKind>): Promise<ScrapeFacts | undefined> {
    const deadline = performance.now() + timeoutMs;
    const joined = this.#gatherings.get(keyOf(kinds));
    const facts = await this.#gatherOrLate(deadline, kinds);
    // The scrape that began the gathering may have had less time than this one has.
    const cutShort = facts === undefined && joined !== undefined && performance.now() >= joined.deadline;
    return cutShort ? this.#gatherOrLate(deadline, kinds) : facts;
  }

  async #gatherOrLate(deadline: number, kinds: ReadonlySet<StatsKind>): Promise<ScrapeFacts | undefined> {
    const remainingMs = deadline - performance.now();
    if (remainingMs <= 0) return undefined;
    const underWay = this.#gatherings.get(keyOf(kinds));
    const running = canJoin(underWay, deadline) ? underWay : this.#begin(deadline, kinds);
    const gathering = running.facts.catch(() => undefined); // the session logs why libvirt is away
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), remainingMs);
    });
    try {
      return await Promise.race([gathering, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  #begin(deadline: number, kinds: ReadonlySet<StatsKind>): Gathering {
    const key = keyOf(kinds);
    const facts = this.#options.gather(deadline, kinds).finally(() => {
      if (this.#gatherings.get(key) === gathering) this.#gatherings.delete(key);
    });
    const gathering = { facts, deadline };
    this.#gatherings.set(key, gathering);
    return gathering;
  }

  /** The collector's families; returns whether it made them all. */
  *#run(collector: Collector, facts: ScrapeFacts): Generator<MetricFamily, boolean> {
    try {
      yield* collector.collect(facts);
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
function canJoin(gathering: Gathering | undefined, deadline: number): gathering is Gathering {
  if (gathering === undefined) return false;
  const now = performance.now();
  return gathering.deadline <= deadline && gathering.deadline - now >= (deadline - now) / 2;
}

function keyOf(kinds: ReadonlySet<StatsKind>): string {
  return [...kinds].sort().join();
}
