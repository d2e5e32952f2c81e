import { setTimeout as sleep } from 'node:timers/promises';
import type { CallResult } from '../daemon/call-pool.ts';
import { domainRunId } from '../daemon/domain-run-id.ts';
import { type StatisticsClient, StatsGroup, type StatsTerms } from '../daemon/statistics-client.ts';
import type { DomainStatsRecord } from '../libvirt/procedures/stats.ts';
import type { DomainRef } from '../libvirt/types.ts';
import { type DomainStats, isComplete, parseDomainStats } from './domain-stats.ts';
import { saysItIsGone } from './readings.ts';

/**
 * Pauses before a domain is read again whose statistics are partial, as another client holds its job lock: other clients'
 * calls take milliseconds, a reading by another exporter some 65 ms.
 */
const PAUSES_MS = [5, 25];
/**
 * One pause more, for what takes longer. Not for a domain whose job lock was held to the end of its last reading: a long job
 * would make each scrape longer by as much.
 */
const LAST_PAUSE_MS = 150;

/** `partial`: its job lock was held, so that only what needs no QEMU is there. */
export type DomainStatsResult =
  | { readonly status: 'complete' | 'partial'; readonly stats: DomainStats }
  | { readonly status: 'gone' | 'unresponsive' | 'unsent' }
  | { readonly status: 'failed'; readonly error: unknown };

/** Reads what QEMU's monitor reports of single domains. */
export class DomainStatsReader {
  readonly #client: StatisticsClient;
  /** What is being read of a run. */
  readonly #underWay = new Map<string, { readonly groups: number; readonly result: Promise<unknown> }>();
  /** Runs whose job lock was held to the end of their last reading. */
  readonly #heldToTheEnd = new Set<string>();

  constructor(client: StatisticsClient) {
    this.#client = client;
  }

  /** Reads these {@link StatsGroup}s of a domain. Never throws. */
  async read(domain: DomainRef, groups: number, terms: StatsTerms): Promise<DomainStatsResult> {
    const run = domainRunId(domain);
    let result = await this.#readOnce(domain, groups, terms);
    const pauses = this.#heldToTheEnd.has(run) ? PAUSES_MS : [...PAUSES_MS, LAST_PAUSE_MS];
    for (const pauseMs of pauses) {
      if (result.status !== 'partial' || performance.now() + pauseMs >= terms.deadline) break;
      await sleep(pauseMs);
      // The balloon's fields show without doubt whether QEMU answered: an empty drive has no counts either.
      result = await this.#readOnce(domain, groups | StatsGroup.balloon, terms);
    }
    if (result.status === 'partial') this.#heldToTheEnd.add(run);
    else this.#heldToTheEnd.delete(run);
    return result;
  }

  /** Forgets the runs that are over. */
  keepOnly(running: readonly DomainRef[]): void {
    if (this.#heldToTheEnd.size === 0) return;
    const runs = new Set(running.map(domainRunId));
    for (const run of this.#heldToTheEnd) if (!runs.has(run)) this.#heldToTheEnd.delete(run);
  }

  async #readOnce(domain: DomainRef, groups: number, terms: StatsTerms): Promise<DomainStatsResult> {
    try {
      const result = await this.#call(domain, groups, terms);
      if (result.status !== 'answered') return result;
      const [record] = result.value;
      if (record === undefined) return { status: 'gone' };
      const stats = parseDomainStats(record.params);
      return { status: isComplete(stats) ? 'complete' : 'partial', stats };
    } catch (error) {
      return saysItIsGone(error) ? { status: 'gone' } : { status: 'failed', error };
    }
  }

  /** Another scrape's call for the same domain is joined when it reads the same or more, and waited for otherwise. */
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
