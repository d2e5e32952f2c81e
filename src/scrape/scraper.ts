import type { Logger } from 'pino';
import type { Collector } from './collector.ts';
import { writeFamily } from './exposition.ts';
import type { ScrapeFacts } from './facts.ts';
import { flag, gauge, type MetricFamily } from './metric-family.ts';
import type { TextBuffer } from './text-buffer.ts';

export interface ScraperOptions {
  readonly collectors: readonly Collector[];
  /** Gathers what the collectors work on; rejects when libvirt does not answer by the deadline. */
  readonly gather: (deadline: number) => Promise<ScrapeFacts>;
  readonly log: Logger;
}

/** What one client asks for. */
export interface ScrapeRequest {
  readonly timeoutMs: number;
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
  #gathering: Gathering | undefined;

  constructor(options: ScraperOptions) {
    this.#options = options;
  }

  /**
   * Writes the metrics of the collectors that the request selects, within its timeout. Never throws: when
   * libvirt does not answer in time, `libvirt_up` is 0 and no domain is served.
   */
  async scrape(out: TextBuffer, { timeoutMs, selects, signal }: ScrapeRequest): Promise<void> {
    const facts = await this.#gatherWithin(timeoutMs);
    if (signal.aborted) return;
    const up = gauge('libvirt_up', 'Whether libvirt answered this scrape.');
    up.samples.push({ labels: {}, value: flag(facts !== undefined) });
    const success = gauge(
      'libvirt_scrape_collector_success',
      'Whether the collector turned this scrape into metrics; 0 for all while libvirt does not answer.',
    );
    const duration = gauge(
      'libvirt_scrape_collector_duration_seconds',
      'How long the collector took, reading from libvirt not included.',
    );
    writeFamily(out, up);
    for (const collector of this.#options.collectors) {
      if (!selects(collector.name)) continue;
      const start = performance.now();
      const families = facts === undefined ? undefined : this.#run(collector, facts);
      for (const family of families ?? []) writeFamily(out, family);
      const labels = { collector: collector.name };
      success.samples.push({ labels, value: flag(families !== undefined) });
      duration.samples.push({ labels, value: (performance.now() - start) / 1000 });
    }
    writeFamily(out, success);
    writeFamily(out, duration);
  }

  async #gatherWithin(timeoutMs: number): Promise<ScrapeFacts | undefined> {
    const deadline = performance.now() + timeoutMs;
    const joined = this.#gathering;
    const facts = await this.#gatherOrLate(deadline);
    // The scrape that began the gathering may have had less time than this one has.
    const cutShort = facts === undefined && joined !== undefined && performance.now() >= joined.deadline;
    return cutShort ? this.#gatherOrLate(deadline) : facts;
  }

  async #gatherOrLate(deadline: number): Promise<ScrapeFacts | undefined> {
    const remainingMs = deadline - performance.now();
    if (remainingMs <= 0) return undefined;
    this.#gathering ??= this.#begin(deadline);
    const gathering = this.#gathering.facts.catch(() => undefined); // the session logs why libvirt is away
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

  #begin(deadline: number): Gathering {
    const facts = this.#options.gather(deadline).finally(() => {
      this.#gathering = undefined;
    });
    return { facts, deadline };
  }

  #run(collector: Collector, facts: ScrapeFacts): MetricFamily[] | undefined {
    try {
      const families = collector.collect(facts);
      this.#failing.delete(collector.name);
      return families;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (this.#failing.get(collector.name) !== message) {
        this.#failing.set(collector.name, message);
        this.#options.log.error({ collector: collector.name, err: error }, 'collector failed');
      }
      return undefined;
    }
  }
}
