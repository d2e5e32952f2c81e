import { LibvirtTransportError } from '../libvirt/errors.ts';
import type { Clock } from './clock.ts';

/**
 * What a call is for. `listing`: the domains and their states. `configuration`: XML and capabilities. `agent`: guest agents and
 * the balloon's period. `statistics`: whatever waits for a domain's QEMU. `priority`: high-priority procedures, for which the
 * daemon has workers of their own (prio_workers, 5), so that they do not count against the others.
 */
export type WorkerUse = 'listing' | 'configuration' | 'agent' | 'statistics' | 'priority';

/** libvirtd has 20 ordinary workers by default (max_workers). Two stay free for other clients. */
const LIMIT = 18;
/** Workers that other uses leave free for this one. */
const RESERVED = { listing: 1, configuration: 1, agent: 1 } as const;
/** Listing may hold more than it needs, as a lost connection leaves calls behind. */
const MOST: Readonly<Record<WorkerUse, number>> = {
  listing: 6,
  configuration: 4,
  agent: 4,
  statistics: 15,
  priority: 4,
};
/**
 * A proven domain's call may use one worker more than {@link MOST}, one that is reserved for configuration or agents and not
 * in use: with fifteen hung domains the others are then read one after the other.
 */
const MORE_FOR_PROVEN = 1;
/** libvirt waits 30 s for a domain's job, and up to 10 s for a QEMU that it ends. */
const ORPHAN_MS = 45_000;
/** A scrape does not wait for these; the others have callers that wait as long as it takes. */
const REJECTS_WHEN_GIVEN_UP: ReadonlySet<WorkerUse> = new Set(['statistics', 'priority']);
/** More waiting calls of one use than this mean that nobody reads the results. */
const MAX_WAITING = 1_024;

/** One worker of the daemon, from the moment a call is sent until the daemon has answered. */
export interface WorkerLease {
  /** The call has no answer yet; callers go on without it, the daemon does not. */
  readonly stall: () => void;
  /** The daemon answered. */
  readonly release: () => void;
  /** The call is given up: nobody waits for a worker that it holds. */
  readonly giveUp: () => void;
  /**
   * The connection ended first, and the daemon may go on working on the call. A call that waits for the QEMU of a domain waits as
   * long as that hangs, also when its client has gone (seen on libvirt 9.0): `run` names the domain's run. Without it the
   * worker counts for 45 s.
   */
  readonly orphan: (run?: string) => void;
}

export interface LeaseTerms {
  readonly use: WorkerUse;
  /** Number of the round that the call belongs to; rounds are counted up. */
  readonly round?: number | undefined;
  /**
   * Whether the domain has answered in this round or a later one. Evaluated with the last round that a call without an
   * answer belongs to: a domain that has answered since then is the least likely to hang.
   */
  readonly hasAnsweredSince?: ((round: number) => boolean) | undefined;
}

/**
 * `active`: the call may be answered at any time. `stalled`: callers go on without the answer. `givenUp`: no caller waits for
 * the answer. `orphaned`: the connection has ended, so that no answer can arrive. `over`: the worker is free. A lease may leave
 * phases out, but never goes back.
 */
const PHASES = ['active', 'stalled', 'givenUp', 'orphaned', 'over'] as const;
type Phase = (typeof PHASES)[number];

/** A lease as the budget keeps it. */
interface HeldLease {
  readonly use: WorkerUse;
  readonly round: number;
  phase: Phase;
  /** Once orphaned: the run that the call waits for. */
  run: string | undefined;
  cancelTimer: () => void;
}

interface Waiting extends LeaseTerms {
  readonly resolve: (lease: WorkerLease) => void;
  readonly reject: (error: Error) => void;
}

/** The one account of the daemon's workers, over all connections of this process. */
export class WorkerBudget {
  readonly #clock: Clock;
  /** All that are not over. */
  readonly #leases = new Set<HeldLease>();
  /** How many of them each use has. */
  readonly #held: Record<WorkerUse, number> = {
    listing: 0,
    configuration: 0,
    agent: 0,
    statistics: 0,
    priority: 0,
  };
  #waiting: Waiting[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Ordinary workers held, orphaned calls included. */
  get held(): number {
    return this.#held.listing + this.#held.configuration + this.#held.agent + this.#held.statistics;
  }

  /**
   * Waits until a worker may be used.
   * @throws LibvirtTransportError ERR_LIBVIRT_UNRESPONSIVE when calls without an answer hold all of them
   */
  acquire(terms: LeaseTerms): Promise<WorkerLease> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length === 0 && this.#hasRoom(terms.use, false)) {
        resolve(this.#lease(terms));
        return;
      }
      if (this.#waiting.filter(({ use }) => use === terms.use).length >= MAX_WAITING) {
        reject(new LibvirtTransportError('ERR_LIBVIRT_UNRESPONSIVE', 'too many calls wait for a worker'));
        return;
      }
      this.#waiting.push({ ...terms, resolve, reject });
      this.#admit();
    });
  }

  /** The daemon was restarted: it works on no call of before. */
  forgetOrphans(): void {
    this.#endOrphans(() => true);
  }

  /** Calls of lost connections hold no worker any more that waited for this run: it has answered in full. */
  forgetOrphansOf(run: string): void {
    this.#endOrphans((waitsFor) => waitsFor === run);
  }

  /** As {@link WorkerBudget.forgetOrphansOf}, for all runs but these. */
  keepOrphansOf(runs: ReadonlySet<string>): void {
    this.#endOrphans((waitsFor) => waitsFor !== undefined && !runs.has(waitsFor));
  }

  #admit(): void {
    if (this.#waiting.length === 0) return;
    this.#waiting = this.#waiting.filter((waiting) => {
      const { use, resolve, reject } = waiting;
      if (this.#hasRoom(use, false) || (this.#isProven(waiting) && this.#hasRoom(use, true))) {
        resolve(this.#lease(waiting));
        return false;
      }
      // A call that is still waited for ends or is given up soon; those given up can last for hours.
      const givenUp = this.#countSince('givenUp', use);
      if (!REJECTS_WHEN_GIVEN_UP.has(use) || givenUp < this.#held[use]) return true;
      const message = `${givenUp} calls have no answer; no more are sent until one has`;
      reject(new LibvirtTransportError('ERR_LIBVIRT_UNRESPONSIVE', message));
      return false;
    });
  }

  #hasRoom(use: WorkerUse, proven: boolean): boolean {
    if (this.#held[use] >= MOST[use] + (proven ? MORE_FOR_PROVEN : 0)) return false;
    if (use === 'priority') return true;
    const unused = (other: keyof typeof RESERVED): number =>
      other === use ? 0 : Math.max(0, RESERVED[other] - this.#held[other]);
    const lent = proven ? MORE_FOR_PROVEN : Math.max(0, this.#held.statistics - MOST.statistics);
    const reserved = unused('listing') + Math.max(0, unused('configuration') + unused('agent') - lent);
    return this.held + reserved < LIMIT;
  }

  #isProven({ use, hasAnsweredSince }: LeaseTerms): boolean {
    if (use !== 'statistics' || hasAnsweredSince === undefined) return false;
    let lastStalled = 0;
    for (const lease of this.#leases)
      if (lease.use === 'statistics' && hasReached(lease, 'stalled'))
        lastStalled = Math.max(lastStalled, lease.round);
    return hasAnsweredSince(lastStalled);
  }

  /** How many leases of this use have reached this phase. */
  #countSince(phase: Phase, use: WorkerUse): number {
    let count = 0;
    for (const lease of this.#leases) if (lease.use === use && hasReached(lease, phase)) count += 1;
    return count;
  }

  #lease({ use, round = 0 }: LeaseTerms): WorkerLease {
    const lease: HeldLease = { use, round, phase: 'active', run: undefined, cancelTimer: () => undefined };
    this.#leases.add(lease);
    this.#held[use] += 1;
    return {
      stall: () => this.#enter(lease, 'stalled'),
      giveUp: () => this.#enter(lease, 'givenUp'),
      orphan: (run) => this.#orphan(lease, run),
      release: () => this.#enter(lease, 'over'),
    };
  }

  #enter(lease: HeldLease, phase: Phase): void {
    if (hasReached(lease, phase)) return;
    lease.phase = phase;
    if (phase === 'over') {
      lease.cancelTimer();
      this.#leases.delete(lease);
      this.#held[lease.use] -= 1;
    }
    this.#admit();
  }

  #orphan(lease: HeldLease, run: string | undefined): void {
    if (hasReached(lease, 'orphaned')) return;
    lease.run = run;
    if (run === undefined) lease.cancelTimer = this.#clock.after(ORPHAN_MS, () => this.#enter(lease, 'over'));
    this.#enter(lease, 'orphaned');
  }

  #endOrphans(isOver: (waitsFor: string | undefined) => boolean): void {
    for (const lease of this.#leases)
      if (lease.phase === 'orphaned' && isOver(lease.run)) this.#enter(lease, 'over');
  }
}

function hasReached(lease: HeldLease, phase: Phase): boolean {
  return PHASES.indexOf(lease.phase) >= PHASES.indexOf(phase);
}
