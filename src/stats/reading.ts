import type { DomainStatsRecord } from '../libvirt/procedures/stats.ts';
import type { DomainRef } from '../libvirt/types.ts';
import { domainRunId } from './domain-run-id.ts';
import { type DomainStats, isComplete, parseDomainStats } from './domain-stats.ts';
import { withQemu } from './groups.ts';
import type { LateCall } from './pending-calls.ts';

/**
 * Few enough that a domain that hangs keeps few others waiting, enough that the calls themselves cost nothing:
 * with four in flight, 100 domains take 233 ms one by one, 227 in twos, 216 in fours, 209 in eights, 218 in
 * sixteens, 411 in one call.
 */
const BATCH = 8;

/** Domains of which the same is asked, in one call. */
export interface Batch {
  readonly domains: readonly DomainRef[];
  /** {@link StatsGroup}s or'ed together. */
  readonly groups: number;
}

export interface BulkStats {
  /** Undefined when the domain stopped before it was asked. */
  readonly stats: DomainStats | undefined;
  /** False when not all that was wanted could be asked; what needs no monitor is there all the same. */
  readonly complete: boolean;
}

/** Results by {@link domainRunId}. A domain that is missing could not be read in time. */
export type BulkResults = Map<string, BulkStats>;

export type LateStats = LateCall<readonly DomainStatsRecord[]>;

/** A domain that may be the one a late call waits for. */
export interface Suspect {
  readonly domain: DomainRef;
  readonly groups: number;
  readonly late: LateStats;
  /** The others that the late call is about; none when it is about this domain alone. */
  readonly others: readonly DomainRef[];
}

/** One reading of all domains. */
export class Reading {
  /** performance.now() milliseconds. */
  readonly deadline: number;
  /** {@link StatsGroup}s wanted of a domain. */
  readonly groupsOf: (domain: DomainRef) => number;
  readonly results: BulkResults = new Map();
  readonly suspects = new Map<string, Suspect>();
  /** Whether a domain's QEMU could be asked, by {@link domainRunId}; false when something else was at work on the domain. */
  readonly #qemuAnswers = new Map<string, boolean>();
  /** The longest that a call took, from its being sent on. */
  slowestMs = 0;
  isOver = false;
  error: unknown;

  constructor(deadline: number, groupsOf: (domain: DomainRef) => number) {
    this.deadline = deadline;
    this.groupsOf = groupsOf;
  }

  /** A reading that goes on from here with nobody waiting for it. */
  prolonged(deadline: number): Reading {
    const copy = new Reading(deadline, this.groupsOf);
    for (const [key, result] of this.results) copy.results.set(key, result);
    for (const [key, suspect] of this.suspects) copy.suspects.set(key, suspect);
    for (const [key, answers] of this.#qemuAnswers) copy.#qemuAnswers.set(key, answers);
    return copy;
  }

  get remainingMs(): number {
    return this.deadline - performance.now();
  }

  /** Keeps what is better than what is there: a late batch may answer after its domains were asked alone. */
  store({ domains, groups }: Batch, records: readonly DomainStatsRecord[]): void {
    if (this.isOver) return;
    const told = new Map(records.map((record) => [domainRunId(record.domain), record]));
    for (const domain of domains) {
      const key = domainRunId(domain);
      const record = told.get(key);
      const stats = record === undefined ? undefined : parseDomainStats(record.params);
      const answers = stats === undefined || isComplete(stats);
      if (withQemu(groups) !== 0 && this.#qemuAnswers.get(key) !== true) this.#qemuAnswers.set(key, answers);
      const before = this.results.get(key);
      if (before?.complete === true || (before !== undefined && !answers)) continue;
      const isAll = stats === undefined || (this.groupsOf(domain) & ~groups) === 0;
      this.results.set(key, { stats, complete: isAll && answers });
    }
  }

  /** Undefined when it was not asked for what needs QEMU, or has not been told yet. */
  qemuAnswers(domain: DomainRef): boolean | undefined {
    return this.#qemuAnswers.get(domainRunId(domain));
  }
}

/** Cuts the domains into batches; those of which `groupsOf` wants nothing are left out. */
export function batchesOf(domains: readonly DomainRef[], groupsOf: (domain: DomainRef) => number): Batch[] {
  const byGroups = new Map<number, DomainRef[]>();
  for (const domain of domains) {
    const alike = byGroups.get(groupsOf(domain));
    if (alike === undefined) byGroups.set(groupsOf(domain), [domain]);
    else alike.push(domain);
  }
  const batches: Batch[] = [];
  for (const [groups, alike] of byGroups) {
    if (groups === 0) continue;
    for (let start = 0; start < alike.length; start += BATCH)
      batches.push({ domains: alike.slice(start, start + BATCH), groups });
  }
  return batches;
}
