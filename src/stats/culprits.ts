import { forEachLimited, settledWithin } from '../concurrency.ts';
import type { DomainRef } from '../libvirt/types.ts';
import type { Asked, StatsAsker } from './asker.ts';
import { domainRunId } from './domain-run-id.ts';
import { tellingGroups, withoutQemu, withQemu } from './groups.ts';
import type { Patience } from './patience.ts';
import { CALLS_AT_A_TIME } from './pending-calls.ts';
import { type Batch, type LateStats, Reading, type Suspect } from './reading.ts';
import type { SetAside } from './set-aside.ts';

/** How often a suspect is looked at before it is set aside, over as long as a late answer was waited for. */
const LOOKS = 4;
const AMPLE_MS = 30_000;

export interface CulpritsOptions {
  readonly asker: StatsAsker;
  readonly patience: Patience;
  readonly setAside: SetAside;
}

/**
 * Finds the domain that a late batch waits for, and sets it aside.
 *
 * Asked alone, it is late again, or libvirt tells it in part, as the late call is at work on it. A healthy neighbour
 * that something else keeps busy (a snapshot, another client) is told in part as well: so those told in part are looked
 * at again for a while. The culprit stays so as long as the late call is out; the neighbour becomes complete.
 */
export class Culprits {
  readonly #asker: StatsAsker;
  readonly #patience: Patience;
  readonly #setAside: SetAside;

  constructor({ asker, patience, setAside }: CulpritsOptions) {
    this.#asker = asker;
    this.#patience = patience;
    this.#setAside = setAside;
  }

  /** Asks the domains of a late batch one by one, which completes the healthy ones, and notes who is suspect. */
  async suspect(batch: Batch, late: LateStats, reading: Reading): Promise<void> {
    const { domains, groups } = batch;
    const only = domains.length === 1;
    const each = only
      ? new Map<DomainRef, Asked>(domains.map((domain) => [domain, { late, isOverdue: true }]))
      : await this.#asker.askEach(batch, reading);
    for (const [domain, asked] of each) {
      const note = (suspect: Pick<Suspect, 'late' | 'others'>): void => {
        reading.suspects.set(domainRunId(domain), { domain, groups, ...suspect });
      };
      if (typeof asked === 'object' && asked.isOverdue) note({ late: asked.late, others: [] });
      else if (asked === 'told' && reading.qemuAnswers(domain) === false)
        note({ late, others: domains.filter((other) => other !== domain) });
    }
  }

  /** The scrape had no time to tell. What it would have found out is found out with nobody waiting. */
  async suspectLater(batch: Batch, late: LateStats): Promise<void> {
    if (await settledWithin(late.pending, this.#patience.ms)) return;
    const reading = new Reading(performance.now() + AMPLE_MS, () => batch.groups);
    await this.suspect(batch, late, reading);
    await this.#confirm(reading);
  }

  /** Sets aside the suspects that hang; takes about as long as a late answer is waited for. */
  async judge(reading: Reading): Promise<void> {
    if (reading.suspects.size === 0) return;
    if (reading.remainingMs > 2 * this.#patience.ms) return this.#confirm(reading);
    void this.#confirm(reading.prolonged(performance.now() + AMPLE_MS));
  }

  async #confirm(reading: Reading): Promise<void> {
    let suspects = [...reading.suspects.values()];
    const lookMs = this.#patience.ms / LOOKS;
    for (let look = 0; look < LOOKS && suspects.length > 0; look++) {
      await settledWithin(Promise.allSettled(suspects.map(({ late }) => late.pending)), lookMs);
      const toldInPart = suspects.filter(({ late, others }) => !late.isSettled() && others.length > 0);
      await forEachLimited(toldInPart, CALLS_AT_A_TIME, async ({ domain, groups }) => {
        await this.#asker.ask({ domains: [domain], groups: tellingGroups(groups) }, reading);
      });
      suspects = suspects.filter(
        ({ late, others, domain }) =>
          !late.isSettled() && (others.length === 0 || reading.qemuAnswers(domain) === false),
      );
    }
    await forEachLimited(suspects, CALLS_AT_A_TIME, (suspect) => this.#accuse(suspect, reading));
  }

  async #accuse(suspect: Suspect, reading: Reading): Promise<void> {
    const { domain, groups, late, others } = suspect;
    const isOwn = others.length === 0;
    // When all the others were told in full meanwhile, it is this one; else the one whose monitor is occupied.
    const isOnly = others.every((other) => reading.qemuAnswers(other) === true);
    if (!isOnly && !(await this.#asker.isMonitorOccupied(domain))) return;
    const hanging = isOwn ? await this.#hangingOf(domain, groups, reading) : withQemu(groups);
    if (hanging !== 0 && !late.isSettled()) this.#setAside.add(domain, hanging, late.pending, { isOwn });
  }

  /** Of a domain that is late alone: whether its QEMU hangs, or telling of its interfaces takes long. */
  async #hangingOf(domain: DomainRef, groups: number, reading: Reading): Promise<number> {
    const [qemu, rest] = [withQemu(groups), withoutQemu(groups)];
    if (qemu === 0 || rest === 0) return groups;
    const without = await this.#asker.ask({ domains: [domain], groups: rest }, reading);
    if (without === 'told') return qemu;
    const withIt = await this.#asker.ask({ domains: [domain], groups: qemu }, reading);
    return withIt === 'told' && reading.qemuAnswers(domain) === true ? rest : groups;
  }
}
