import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { forEachLimited, settledWithin } from '../concurrency.ts';
import type { DomainRef } from '../libvirt/types.ts';
import { StatsAsker } from './asker.ts';
import { Culprits } from './culprits.ts';
import { domainRunId } from './domain-run-id.ts';
import { tellingGroups, withoutQemu, withQemu } from './groups.ts';
import { Patience } from './patience.ts';
import { CALLS_AT_A_TIME, type PendingCalls } from './pending-calls.ts';
import { type Batch, type BulkResults, batchesOf, Reading } from './reading.ts';
import { SetAside } from './set-aside.ts';

/**
 * Pauses before those are asked again that libvirt told in part, as something else was at work on them: other clients'
 * calls take milliseconds a domain.
 */
const ASK_AGAIN_AFTER_MS = [5, 25];
/**
 * One pause more, for what works longer: a batch of a reading that overlaps takes some 65 ms (100 domains in 209 ms, four
 * batches at a time). Not for those that stayed busy to the end of the last reading: a long job, or a hung QEMU that
 * another client waits for, would make each scrape longer by as much.
 */
const LAST_PAUSE_MS = 150;

export interface BulkReaderOptions {
  readonly calls: PendingCalls;
  readonly log: Logger;
}

/**
 * Reads the statistics of many domains in small batches. A QEMU that does not answer its monitor makes its batch late;
 * the others of the batch are then asked one by one, and the culprit is found and set aside.
 */
export class BulkReader {
  readonly #calls: PendingCalls;
  readonly #patience = new Patience();
  readonly #asker: StatsAsker;
  readonly #setAside: SetAside;
  readonly #culprits: Culprits;
  /** Runs that the last reading found busy to its end, by {@link domainRunId}. */
  #busy: ReadonlySet<string> = new Set();
  #reading: Promise<unknown> = Promise.resolve();
  #careful: Promise<unknown> = Promise.resolve();

  constructor({ calls, log }: BulkReaderOptions) {
    this.#calls = calls;
    this.#asker = new StatsAsker(calls, this.#patience);
    const asker = this.#asker;
    this.#setAside = new SetAside({ askAlone: (domain, groups) => asker.askAlone(domain, groups), log });
    this.#culprits = new Culprits({ asker, patience: this.#patience, setAside: this.#setAside });
  }

  start(): void {
    this.#setAside.start();
  }

  stop(): void {
    this.#setAside.stop();
  }

  /**
   * Never throws; `error` is the first one met. Reads of each running domain those {@link StatsGroup}s that `groupsOf`
   * names for it, until `deadline` (performance.now() milliseconds) at most.
   */
  async read(
    running: readonly DomainRef[],
    groupsOf: (domain: DomainRef) => number,
    deadline: number,
  ): Promise<{ readonly results: BulkResults; readonly error: unknown }> {
    const reading = new Reading(deadline, groupsOf);
    const before = this.#reading;
    const whole = (async () => {
      // Two at once would find domains busy with each other. One that takes long leaves the next one half its time.
      await settledWithin(before, reading.remainingMs / 2);
      this.#setAside.keepOnly(running);
      await this.#readAll(running, reading);
    })();
    this.#reading = settledWithin(whole, Math.max(0, reading.remainingMs));
    await this.#reading;
    reading.isOver = true;
    this.#patience.adapt(reading.slowestMs);
    const busy = running.filter((domain) => reading.qemuAnswers(domain) === false);
    this.#busy = new Set(busy.map(domainRunId));
    return { results: reading.results, error: reading.error };
  }

  async #readAll(running: readonly DomainRef[], reading: Reading): Promise<void> {
    const { groupsOf } = reading;
    const askable = (domain: DomainRef): number => groupsOf(domain) & ~this.#setAside.groupsOf(domain);
    await this.#readBatches(batchesOf(running, askable), reading);
    for (const pauseMs of [...ASK_AGAIN_AFTER_MS, LAST_PAUSE_MS]) {
      const toldInPart = running.filter(
        (domain) =>
          reading.qemuAnswers(domain) === false &&
          (pauseMs < LAST_PAUSE_MS || !this.#busy.has(domainRunId(domain))),
      );
      if (toldInPart.length === 0 || reading.remainingMs < pauseMs) break;
      await sleep(pauseMs);
      await this.#readBatches(
        batchesOf(toldInPart, (domain) => tellingGroups(askable(domain))),
        reading,
      );
    }
    if (this.#calls.isStrained) {
      const left = running.filter((domain) => !reading.results.has(domainRunId(domain)));
      await this.#readBatches(
        batchesOf(left, (domain) => withoutQemu(askable(domain))),
        reading,
      );
    }
    await this.#culprits.judge(reading);
  }

  async #readBatches(batches: readonly Batch[], reading: Reading): Promise<void> {
    await forEachLimited(batches, CALLS_AT_A_TIME, async (batch) => {
      if (this.#calls.isStrained && withQemu(batch.groups) !== 0) await this.#readCarefully(batch, reading);
      else await this.#readBatch(batch, reading);
    });
  }

  async #readBatch(batch: Batch, reading: Reading): Promise<void> {
    const asked = await this.#asker.ask(batch, reading);
    // One domain's error fails the call for all that are in it (libvirt: qemuConnectGetAllDomainStats).
    if (asked === 'refused' && batch.domains.length > 1) await this.#asker.askEach(batch, reading);
    if (typeof asked === 'string') return;
    if (asked.isOverdue) await this.#culprits.suspect(batch, asked.late, reading);
    else void this.#culprits.suspectLater(batch, asked.late);
  }

  /** Batch after batch, and those that were busy the last time only the next time: they may be about to hang. */
  async #readCarefully({ domains, groups }: Batch, reading: Reading): Promise<void> {
    const before = this.#careful;
    const mine = (async () => {
      await before;
      const calm = domains.filter((domain) => !this.#busy.has(domainRunId(domain)));
      if (calm.length > 0) await this.#readBatch({ domains: calm, groups }, reading);
    })();
    this.#careful = mine;
    await mine;
  }
}
