import { forEachLimited } from '../concurrency.ts';
import { LibvirtServerError, LibvirtTransportError } from '../libvirt/errors.ts';
import type { DomainRef } from '../libvirt/types.ts';
import { isComplete, parseDomainStats } from './domain-stats.ts';
import { tellingGroups, withQemu } from './groups.ts';
import type { Patience } from './patience.ts';
import { CALLS_AT_A_TIME, type PendingCalls } from './pending-calls.ts';
import type { Batch, LateStats, Reading } from './reading.ts';

/** What remains of a scrape's time has to do for a batch that is late, for those in it, and for others behind it. */
const ATTEMPTS = 4;

/**
 * `refused`: libvirt answered with an error. `unread`: it was not asked, or the connection is lost. A late call says
 * whether it was waited for long enough to say that a domain hangs: a scrape may have less time than that.
 */
export type Asked = 'told' | 'refused' | 'unread' | { readonly late: LateStats; readonly isOverdue: boolean };

/** Asks for statistics, and puts what comes into a reading. */
export class StatsAsker {
  readonly #calls: PendingCalls;
  readonly #patience: Patience;

  constructor(calls: PendingCalls, patience: Patience) {
    this.#calls = calls;
    this.#patience = patience;
  }

  /** Stores what comes, also what comes late, as long as the reading lasts. */
  async ask(batch: Batch, reading: Reading): Promise<Asked> {
    const patienceMs = this.#patience.ms;
    const waitMs = (): number => Math.min(patienceMs, reading.remainingMs / ATTEMPTS);
    let isOverdue = false;
    try {
      const answer = await this.#calls.ask((client) => client.domainStats(batch.domains, batch.groups), {
        needsQemu: withQemu(batch.groups) !== 0,
        patienceMs: () => {
          isOverdue = waitMs() >= patienceMs;
          return waitMs();
        },
      });
      if (answer.late) {
        answer.pending.then(
          (records) => {
            reading.store(batch, records);
            this.#patience.learn(performance.now() - answer.sentAt);
          },
          () => undefined,
        );
        return { late: answer, isOverdue };
      }
      reading.store(batch, answer.value);
      reading.slowestMs = Math.max(reading.slowestMs, performance.now() - answer.sentAt);
      return 'told';
    } catch (error) {
      // These domains have no statistics now.
      const noTime = error instanceof LibvirtTransportError && error.code === 'ERR_LIBVIRT_TIMEOUT';
      if (!noTime) reading.error ??= error;
      return error instanceof LibvirtServerError ? 'refused' : 'unread';
    }
  }

  /** Asks each of a batch alone. */
  async askEach(batch: Batch, reading: Reading): Promise<Map<DomainRef, Asked>> {
    const asked = new Map<DomainRef, Asked>();
    const atATime = this.#calls.isStrained ? 1 : CALLS_AT_A_TIME;
    await forEachLimited(batch.domains, atATime, async (domain) => {
      asked.set(domain, await this.ask({ domains: [domain], groups: tellingGroups(batch.groups) }, reading));
    });
    return asked;
  }

  /** Asks one domain with nobody waiting. */
  async askAlone(domain: DomainRef, groups: number): Promise<{ answers: boolean; late?: Promise<unknown> }> {
    const answer = await this.#calls.ask((client) => client.domainStats([domain], tellingGroups(groups)), {
      needsQemu: withQemu(groups) !== 0,
      patienceMs: () => this.#patience.ms,
    });
    if (answer.late) return { answers: false, late: answer.pending };
    const [record] = answer.value;
    return { answers: record !== undefined && isComplete(parseDomainStats(record.params)) };
  }

  /** Whether a command waits for this domain's monitor; false when that cannot be told. */
  async isMonitorOccupied(domain: DomainRef): Promise<boolean> {
    try {
      const answer = await this.#calls.ask((client) => client.isMonitorOccupied(domain), {
        needsQemu: false,
        patienceMs: () => this.#patience.ms,
      });
      return !answer.late && answer.value;
    } catch {
      return false;
    }
  }
}
