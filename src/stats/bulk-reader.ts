import type { Logger } from 'pino';
import { forEachLimited, settledWithin } from '../concurrency.ts';
import { LibvirtServerError } from '../libvirt/errors.ts';
import { StatsGroup } from '../libvirt/stats-client.ts';
import type { DomainStatsRecord } from '../libvirt/stats-procedures.ts';
import type { DomainRef } from '../libvirt/wire-types.ts';
import { type DomainStats, isComplete, parseDomainStats } from './domain-stats.ts';
import { type Answer, CALLS_AT_A_TIME, type PendingCalls } from './pending-calls.ts';
import { runKey } from './run-key.ts';
import { SetAside } from './set-aside.ts';

/**
 * Few enough that a domain that hangs keeps few others waiting, enough that the calls themselves cost nothing:
 * with four in flight, 100 domains take 233 ms one by one, 227 in twos, 216 in fours, 209 in eights, 218 in
 * sixteens, 411 in one call.
 */
const BATCH = 8;
/** A batch that takes longer than the slowest of the last time by this factor has met a domain that hangs. */
const LATE_FACTOR = 4;
const LEARN_FACTOR = 1.5;
const SHORTEST_PATIENCE_MS = 500;
const LONGEST_PATIENCE_MS = 4_000;
/** What remains of a scrape's time has to do for a batch that is late, for those in it, and for others behind it. */
const ATTEMPTS = 4;

/** A call whose answer is late. */
interface Late {
  readonly pending: Extract<Answer<readonly DomainStatsRecord[]>, { late: true }>['pending'];
  /** Whether it was waited for long enough to say that a domain hangs: a scrape may have less time than that. */
  readonly isOverdue: boolean;
}

/** `refused`: libvirt answered with an error. `unread`: it was not asked, or the connection is lost. */
type Asked = 'told' | 'refused' | 'unread' | Late;

export interface BulkStats {
  /** Undefined when the domain stopped before it was asked. */
  readonly stats: DomainStats | undefined;
  /** False when QEMU could not be asked; what needs no monitor is there all the same. */
  readonly complete: boolean;
}

/** Results by {@link runKey}. A domain that is missing could not be read in time. */
export type BulkResults = Map<string, BulkStats>;

export interface BulkReaderOptions {
  readonly calls: PendingCalls;
  readonly log: Logger;
}

/**
 * Reads the statistics of many domains in small batches. A QEMU that does not answer its monitor makes its batch late;
 * the others of the batch are then asked one by one, and the culprit is the one that libvirt says is busy with the
 * late call, or that is late alone.
 */
export class BulkReader {
  readonly #calls: PendingCalls;
  readonly #setAside: SetAside;
  #patienceMs = 2 * SHORTEST_PATIENCE_MS;

  constructor({ calls, log }: BulkReaderOptions) {
    this.#calls = calls;
    this.#setAside = new SetAside({ askAlone: (domain) => this.#askAlone(domain), log });
  }

  start(): void {
    this.#setAside.start();
  }

  stop(): void {
    this.#setAside.stop();
  }

  /**
   * Never throws; `error` is the first one met. Reads of each running domain those {@link StatsGroup}s that `groupsOf` names for it, until `deadline`
   * (performance.now() milliseconds) at most.
   */
  async read(
    running: readonly DomainRef[],
    groupsOf: (domain: DomainRef) => number,
    deadline: number,
  ): Promise<{ readonly results: BulkResults; readonly error: unknown }> {
    this.#setAside.keepOnly(running);
    const reading = new Reading(deadline);
    const answering = running.filter((domain) => !this.#setAside.has(domain));
    const batches = batchesOf(answering, groupsOf);
    const whole = Promise.all([
      this.#readWithoutMonitor(running, groupsOf, reading),
      forEachLimited(batches, CALLS_AT_A_TIME, (batch) => this.#readBatch(batch, reading)),
    ]);
    await settledWithin(whole, Math.max(0, deadline - performance.now()));
    reading.isOver = true;
    // Not at once to less: another selection of collectors, or a quiet moment, says little about the next scrape.
    if (reading.slowestMs > 0)
      this.#patienceMs = Math.max(patienceAfter(reading.slowestMs), this.#patienceMs / 2);
    return { results: reading.results, error: reading.error };
  }

  async #readBatch(batch: Batch, reading: Reading): Promise<void> {
    const begun = performance.now();
    const asked = await this.#ask(batch, reading);
    if (asked === 'told') reading.slowestMs = Math.max(reading.slowestMs, performance.now() - begun);
    // One domain's error fails the call for all that are in it (libvirt: qemuConnectGetAllDomainStats).
    if (asked === 'refused' && batch.domains.length > 1) await this.#askEach(batch, reading);
    if (typeof asked === 'string') return;
    asked.pending.then(
      (records) => {
        reading.store(batch, records);
        this.#learn(performance.now() - begun);
      },
      () => undefined,
    );
    if (asked.isOverdue) await this.#findCulprit(batch, asked, reading);
    else void this.#findCulpritLater(batch, asked);
  }

  #askEach(batch: Batch, reading: Reading): Promise<Asked[]> {
    return Promise.all(
      batch.domains.map((domain) => this.#ask({ domains: [domain], groups: batch.groups }, reading)),
    );
  }

  /** Asks the domains of a late batch one by one, and sets aside those that hang. */
  async #findCulprit(batch: Batch, late: Late, reading: Reading): Promise<void> {
    const each = batch.domains.length === 1 ? [late] : await this.#askEach(batch, reading);
    for (const [index, domain] of batch.domains.entries()) {
      const alone = each[index];
      const hangs = typeof alone === 'object' && alone.isOverdue;
      const isBusy = reading.results.get(runKey(domain))?.complete === false;
      if (hangs || isBusy) this.#setAside.add(domain, (typeof alone === 'object' ? alone : late).pending);
    }
  }

  /** The scrape had no time to tell. What it would have found out is found out with nobody waiting. */
  async #findCulpritLater(batch: Batch, late: Late): Promise<void> {
    if (await settledWithin(late.pending, this.#patienceMs)) return;
    const ample = performance.now() + ATTEMPTS * LONGEST_PATIENCE_MS;
    await this.#findCulprit(batch, { ...late, isOverdue: true }, new Reading(ample));
  }

  /**
   * A batch that was late and was answered after all. It may be that this host takes longer; more often a domain that
   * is just starting held it up, which is no reason to be much more patient with those that hang.
   */
  #learn(tookMs: number): void {
    const enough = LEARN_FACTOR * tookMs;
    if (enough < LONGEST_PATIENCE_MS) this.#patienceMs = Math.max(this.#patienceMs, enough);
  }

  /** Stores what comes in time. */
  async #ask(batch: Batch, reading: Reading): Promise<Asked> {
    const remainingMs = reading.deadline - performance.now();
    if (remainingMs <= 0) return 'unread';
    const patienceMs = this.#patienceMs;
    const waitMs = Math.min(patienceMs, remainingMs / ATTEMPTS);
    try {
      const answer = await this.#calls.ask(
        (client) => client.domainStats(batch.domains, batch.groups),
        waitMs,
      );
      if (answer.late) return { pending: answer.pending, isOverdue: waitMs >= patienceMs };
      reading.store(batch, answer.value);
      return 'told';
    } catch (error) {
      // These domains have no statistics now.
      reading.error ??= error;
      return error instanceof LibvirtServerError ? 'refused' : 'unread';
    }
  }

  /** What libvirt knows of the domains that are set aside without a word with their QEMU. */
  async #readWithoutMonitor(
    running: readonly DomainRef[],
    groupsOf: (domain: DomainRef) => number,
    reading: Reading,
  ): Promise<void> {
    const domains = running.filter(
      (domain) => this.#setAside.has(domain) && (groupsOf(domain) & StatsGroup.interface) !== 0,
    );
    if (domains.length === 0) return;
    await this.#ask({ domains, groups: StatsGroup.interface }, reading);
    for (const domain of domains) {
      const found = reading.results.get(runKey(domain));
      if (found !== undefined) reading.results.set(runKey(domain), { ...found, complete: false });
    }
  }

  async #askAlone(domain: DomainRef): Promise<{ answers: boolean; pending?: Promise<unknown> }> {
    const groups = StatsGroup.balloon | StatsGroup.block;
    const answer = await this.#calls.ask((client) => client.domainStats([domain], groups), this.#patienceMs);
    if (answer.late) return { answers: false, pending: answer.pending };
    const [record] = answer.value;
    return {
      answers: record !== undefined && isComplete(parseDomainStats(record.params), { balloon: true }),
    };
  }
}

/** Domains of which the same is asked, in one call. */
interface Batch {
  readonly domains: readonly DomainRef[];
  /** {@link StatsGroup}s or'ed together. */
  readonly groups: number;
}

/** One reading of all domains. */
class Reading {
  readonly deadline: number;
  readonly results: BulkResults = new Map();
  slowestMs = 0;
  isOver = false;
  error: unknown;

  constructor(deadline: number) {
    this.deadline = deadline;
  }

  /** Keeps what is better than what is there: a late batch may answer after its domains were asked alone. */
  store({ domains, groups }: Batch, records: readonly DomainStatsRecord[]): void {
    if (this.isOver) return;
    const told = new Set(records.map(({ domain }) => runKey(domain)));
    for (const key of domains.map(runKey)) {
      if (!told.has(key)) this.results.set(key, { stats: undefined, complete: true });
    }
    const asked = { balloon: (groups & StatsGroup.balloon) !== 0 };
    for (const { domain, params } of records) {
      const key = runKey(domain);
      if (this.results.get(key)?.complete === true) continue;
      const stats = parseDomainStats(params);
      this.results.set(key, { stats, complete: isComplete(stats, asked) });
    }
  }
}

function batchesOf(domains: readonly DomainRef[], groupsOf: (domain: DomainRef) => number): Batch[] {
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

function patienceAfter(slowestMs: number): number {
  return Math.min(LONGEST_PATIENCE_MS, Math.max(SHORTEST_PATIENCE_MS, LATE_FACTOR * slowestMs));
}
