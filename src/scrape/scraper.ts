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

/** Runs scrapes: gathers facts once for all that arrive together, and lets each collector turn them into metrics. */
export class Scraper {
  readonly #options: ScraperOptions;
  readonly #failing = new Map<string, string>();
  #gathering: Promise<ScrapeFacts> | undefined;

  constructor(options: ScraperOptions) {
    this.#options = options;
  }

  /**
   * Writes the metrics of the enabled collectors that `selects` accepts, within `timeoutMs`. Never throws: when
   * libvirt does not answer in time, `libvirt_up` is 0 and no domain is served.
   */
  async scrape(out: TextBuffer, timeoutMs: number, selects: (collector: string) => boolean): Promise<void> {
    const facts = await this.#gatherWithin(timeoutMs);
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
    this.#gathering ??= this.#options.gather(deadline).finally(() => {
      this.#gathering = undefined;
    });
    const gathering = this.#gathering.catch(() => undefined); // the session logs why libvirt is away
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), timeoutMs);
    });
    try {
      return await Promise.race([gathering, late]);
    } finally {
      clearTimeout(timer);
    }
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
