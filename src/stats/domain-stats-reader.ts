import type { CallResult } from '../daemon/call-pool.ts';
import { sleep } from '../daemon/clock.ts';
import { domainRunId, keepOnlyRuns } from '../daemon/domain-run-id.ts';
import { type StatisticsClient, StatsGroup, type StatsTerms } from '../daemon/statistics-client.ts';
import type { DomainStatsRecord } from '../libvirt/procedures/stats.ts';
import type { DomainRef } from '../libvirt/types.ts';
import { type DomainStats, isComplete, parseDomainStats } from './domain-stats.ts';
import { isGoneError } from './rounds.ts';

/**
 * Pauses before a domain is read again, when its statistics are partial because another client holds its job lock. Most
 * clients hold the lock for milliseconds, another exporter for about 65 ms.
 */
const PAUSES_MS = [5, 25];
/**
 * A third pause, for clients that hold the lock longer. A domain whose last result was partial gets no third pause: during a
 * long job it would make each scrape longer.
 */
const LAST_PAUSE_MS = 150;

/**
 * `partial`: another client held the domain's job lock, so the fields that need QEMU are missing. `readAtSeconds`: when libvirt
 * answered, Unix time in seconds.
 */
export type DomainStatsResult =
  | { readonly status: 'complete' | 'partial'; readonly stats: DomainStats; readonly readAtSeconds: number }
  | { readonly status: 'gone' | 'unresponsive' | 'unsent' }
  | { readonly status: 'failed'; readonly error: unknown };

/** Reads the statistics that come from QEMU's monitor, with one call for each domain. */
export class DomainStatsReader {
  readonly #client: StatisticsClient;
  /** The call in progress of each run. */
  readonly #underWay = new Map<string, { readonly groups: number; readonly result: Promise<unknown> }>();
  /** Runs whose last result was partial. */
  readonly #wasPartial = new Set<string>();

  constructor(client: StatisticsClient) {
    this.#client = client;
  }

  /** Reads these {@link StatsGroup}s of a domain. Never throws. */
  async read(domain: DomainRef, groups: number, terms: StatsTerms): Promise<DomainStatsResult> {
    const { clock } = this.#client;
    const run = domainRunId(domain);
    let result = await this.#readOnce(domain, groups, terms);
    const pauses = this.#wasPartial.has(run) ? PAUSES_MS : [...PAUSES_MS, LAST_PAUSE_MS];
    for (const pauseMs of pauses) {
      if (result.status !== 'partial' || clock.now() + pauseMs >= terms.deadline) break;
      await sleep(clock, pauseMs);
      // Only the balloon's fields show for certain whether QEMU answered: an empty drive has no counts either.
      result = await this.#readOnce(domain, groups | StatsGroup.balloon, terms);
    }
    if (result.status === 'partial') this.#wasPartial.add(run);
    else this.#wasPartial.delete(run);
    return result;
  }

  /** Forgets all runs but these. */
  keepOnly(runs: ReadonlySet<string>): void {
    keepOnlyRuns(this.#wasPartial, runs);
  }

  async #readOnce(domain: DomainRef, groups: number, terms: StatsTerms): Promise<DomainStatsResult> {
    try {
      const result = await this.#call(domain, groups, terms);
      if (result.status !== 'answered') return result;
      const readAtSeconds = Date.now() / 1000;
      const [record] = result.value;
      if (record === undefined) return { status: 'gone' };
      const stats = parseDomainStats(record.params);
      return { status: isComplete(stats) ? 'complete' : 'partial', stats, readAtSeconds };
    } catch (error) {
      return isGoneError(error) ? { status: 'gone' } : { status: 'failed', error };
    }
  }

  /** Joins another scrape's call for the domain if that call reads all of `groups`; otherwise waits for it to end first. */
  async #call(
    domain: DomainRef,
    groups: number,
    terms: StatsTerms,
  ): Promise<CallResult<DomainStatsRecord[]>> {
    const run = domainRunId(domain);
    for (let other = this.#underWay.get(run); other !== undefined; other = this.#underWay.get(run)) {
      if ((other.groups & groups) === groups) break;
      await other.result;
    }
    const result = this.#client.domainStats(domain, groups, terms);
    if (this.#underWay.has(run)) return result;
    const settled = result
      .catch(() => undefined)
      .finally(() => {
        this.#underWay.delete(run);
      });
    this.#underWay.set(run, { groups, result: settled });
    return result;
  }
}
