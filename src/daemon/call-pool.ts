import { createDeferred } from '../concurrency.ts';
import { LibvirtServerError, LibvirtTransportError } from '../libvirt/errors.ts';
import type { Procedure } from '../libvirt/procedures/procedure.ts';
import type { DomainRef } from '../libvirt/types.ts';
import type { Clock } from './clock.ts';
import { domainRunId } from './domain-run-id.ts';
import { type OpenPoolConnection, PoolConnections } from './pool-connections.ts';
import type { UnresponsiveCause, UnresponsiveDomains } from './unresponsive-domains.ts';
import type { LeaseTerms, WorkerBudget, WorkerLease } from './worker-budget.ts';

/**
 * Calls that are waited for at a time. On a host of two processors more gain nothing: 100 domains in 267 ms with two, 235
 * with three, 209 with four, 218 with eight on two connections.
 */
export const CALLS_AT_A_TIME = 4;
/** Where calls take this long the daemon waits more than it works, and more of them at a time finish sooner. */
const SLOW_CALL_MS = 100;
const SLOW_CALLS_AT_A_TIME = 8;
/** A call without an answer for this long gives its slot to the next one. */
const STALLED_MS = 250;
/** A call without an answer for this long is unresponsive, on a host where calls take milliseconds. */
const UNRESPONSIVE_MS = 1_000;
const LONGEST_UNRESPONSIVE_MS = 4_000;
/** A host where calls take longer needs more time: this many times what the slowest recent call took. */
const SLOW_HOST_FACTOR = 4;
/** How much of the slowest call's time is remembered at each answer: half of it after some 70 answers. */
const REMEMBERED = 0.99;
const SWEEP_MS = 25;

/** What a call of the pool is for; a high-priority procedure takes none of these workers. */
export type PoolUse = 'listing' | 'configuration' | 'statistics';

export interface PoolCall<Args, Reply> extends LeaseTerms {
  readonly use: PoolUse;
  /** Calls with one key are the same call: while it has no answer no second one is sent. */
  readonly key: string;
  readonly procedure: Procedure<Args, Reply>;
  readonly args: Args;
  /** Not sent after this moment, in the clock's milliseconds. */
  readonly deadline: number;
  /** The domain whose QEMU the call waits for, if it waits for one. */
  readonly waitsFor?: WaitsFor;
}

interface WaitsFor {
  readonly domain: DomainRef;
  /** What an answer that does not come says of the domain. */
  readonly cause: UnresponsiveCause;
}

/** What came of a call. `unresponsive`: no answer in time. `unsent`: its deadline passed before it could be sent. */
export type CallResult<Reply> =
  | { readonly status: 'answered'; readonly value: Reply }
  | { readonly status: 'unresponsive' }
  | { readonly status: 'unsent' };

export interface PooledCall<Reply> {
  /** Settles as soon as the call is answered, unresponsive or unsent; rejects as `answer` does. */
  readonly result: Promise<CallResult<Reply>>;
  /**
   * Settles with the daemon's answer, whenever that comes. Rejects with LibvirtServerError, or with LibvirtTransportError
   * when the call could not be sent or its connection ended.
   */
  readonly answer: Promise<Reply>;
}

type Phase = 'queued' | 'sent' | 'stalled' | 'unresponsive';

/** Listing and configuration do not wait behind statistics: the budget alone bounds them. */
const TAKES_SLOT: Readonly<Record<PoolUse, boolean>> = {
  listing: false,
  configuration: false,
  statistics: true,
};

interface Entry {
  readonly pooled: PooledCall<unknown>;
  readonly waitsFor: WaitsFor | undefined;
  readonly settle: (result: CallResult<unknown>) => void;
  phase: Phase;
  deadline: number;
  sentAt: number;
  lease: WorkerLease | undefined;
  holdsSlot: boolean;
}

export interface CallPoolOptions {
  readonly open: OpenPoolConnection;
  readonly budget: WorkerBudget;
  readonly unresponsive: UnresponsiveDomains;
  readonly clock: Clock;
}

/**
 * Sends calls that may take as long as a domain's QEMU, an emulator's probe or a storage pool makes them: a few at a time,
 * over as many connections as the unanswered ones need, and never a second time while the first has no answer.
 */
export class CallPool {
  /** The clock of deadlines. */
  readonly clock: Clock;
  readonly #budget: WorkerBudget;
  readonly #unresponsive: UnresponsiveDomains;
  readonly #connections: PoolConnections;
  readonly #entries = new Map<string, Entry>();
  /** Sent, and not yet unresponsive, in the order of sending. */
  readonly #awaited = new Set<Entry>();
  readonly #waitingForSlot: (() => void)[] = [];
  #usedSlots = 0;
  #slowestMs = 0;
  #isSweeping = false;

  constructor({ open, budget, unresponsive, clock }: CallPoolOptions) {
    this.#budget = budget;
    this.#unresponsive = unresponsive;
    this.clock = clock;
    this.#connections = new PoolConnections(open, clock);
  }

  /** Sends the call, or joins the one with the same key that has no answer yet. */
  call<Args, Reply>(call: PoolCall<Args, Reply>): PooledCall<Reply> {
    const underWay = this.#entries.get(call.key);
    if (underWay === undefined) return this.#begin(call);
    underWay.deadline = Math.max(underWay.deadline, call.deadline);
    const { answer, result } = underWay.pooled as PooledCall<Reply>;
    return underWay.phase === 'unresponsive'
      ? { answer, result: Promise.resolve({ status: 'unresponsive' }) }
      : { answer, result };
  }

  /** For how long a call is waited for before it is unresponsive, in milliseconds. */
  get unresponsiveAfterMs(): number {
    return Math.min(LONGEST_UNRESPONSIVE_MS, Math.max(UNRESPONSIVE_MS, SLOW_HOST_FACTOR * this.#slowestMs));
  }

  /** The domain has answered in full: no call of a lost connection waits for it. */
  responded(domain: DomainRef): void {
    this.#budget.forgetOrphansOf(domainRunId(domain));
  }

  /** Forgets all runs but these. */
  keepOnly(runs: ReadonlySet<string>): void {
    this.#budget.keepOrphansOf(runs);
  }

  /** libvirt accepts connections again. */
  retry(): void {
    this.#connections.retry();
  }

  stop(): Promise<void> {
    return this.#connections.stop();
  }

  #begin<Args, Reply>(call: PoolCall<Args, Reply>): PooledCall<Reply> {
    const result = createDeferred<CallResult<Reply>>();
    const answer = createDeferred<Reply>();
    const pooled = { result: result.promise, answer: answer.promise };
    const entry: Entry = {
      pooled,
      waitsFor: call.waitsFor,
      settle: result.resolve as Entry['settle'],
      phase: 'queued',
      deadline: call.deadline,
      sentAt: 0,
      lease: undefined,
      holdsSlot: false,
    };
    // Whoever waits for one of the two need not watch the other.
    answer.promise.catch(() => undefined);
    result.promise.catch(() => undefined);
    this.#entries.set(call.key, entry);
    this.#run(call, entry)
      .finally(() => this.#entries.delete(call.key))
      .then(
        (value) => {
          if (value === UNSENT) {
            result.resolve({ status: 'unsent' });
            answer.reject(unsent(call.procedure.name));
          } else {
            result.resolve({ status: 'answered', value });
            answer.resolve(value);
          }
        },
        (error: unknown) => {
          result.reject(error);
          answer.reject(error);
        },
      );
    return pooled;
  }

  async #run<Args, Reply>(call: PoolCall<Args, Reply>, entry: Entry): Promise<Reply | typeof UNSENT> {
    const { procedure, args } = call;
    if (TAKES_SLOT[call.use]) await this.#takeSlot(entry);
    try {
      if (this.#isPast(entry)) return UNSENT;
      const use = procedure.priority === 'high' ? 'priority' : call.use;
      const { round, hasAnsweredSince } = call;
      entry.lease = await this.#budget.acquire({ use, round, hasAnsweredSince });
      if (this.#isPast(entry)) {
        entry.lease.release();
        return UNSENT;
      }
      try {
        const value = await this.#connections.send(
          (connection) => connection.send(procedure, args),
          () => this.#sent(entry),
        );
        entry.lease.release();
        this.#answered(call, entry);
        return value;
      } catch (error) {
        const wasSent = entry.phase !== 'queued';
        if (error instanceof LibvirtTransportError && wasSent) this.#lost(procedure, entry);
        else entry.lease.release();
        if (error instanceof LibvirtServerError) this.#answered(call, entry);
        throw error;
      } finally {
        this.#awaited.delete(entry);
      }
    } finally {
      this.#giveSlot(entry);
    }
  }

  #isPast({ deadline }: Entry): boolean {
    return this.clock.now() >= deadline;
  }

  #sent(entry: Entry): void {
    entry.phase = 'sent';
    entry.sentAt = this.clock.now();
    this.#awaited.add(entry);
    this.#sweepLater();
  }

  #answered({ use }: Pick<LeaseTerms, 'use'>, { phase, sentAt, waitsFor }: Entry): void {
    const tookMs = this.clock.now() - sentAt;
    // A call that took longer waited for a hung QEMU, which says nothing about the host.
    if (use === 'statistics' && tookMs <= LONGEST_UNRESPONSIVE_MS)
      this.#slowestMs = Math.max(tookMs, REMEMBERED * this.#slowestMs);
    if (waitsFor !== undefined && phase === 'unresponsive')
      this.#unresponsive.remove(waitsFor.domain, waitsFor.cause);
  }

  #lost({ priority }: Pick<Procedure<never, unknown>, 'priority'>, { lease, waitsFor }: Entry): void {
    if (priority === 'low') lease?.orphan(waitsFor && domainRunId(waitsFor.domain));
    else lease?.release();
    if (waitsFor !== undefined) this.#unresponsive.forget(waitsFor.domain, waitsFor.cause);
  }

  #sweepLater(): void {
    if (this.#isSweeping) return;
    this.#isSweeping = true;
    this.clock.after(SWEEP_MS, () => {
      // An answer may have arrived while this process was kept from running: it is read before the call is given up.
      setImmediate(() => {
        this.#isSweeping = false;
        this.#sweep();
      });
    });
  }

  #sweep(): void {
    const now = this.clock.now();
    const unresponsiveAfterMs = this.unresponsiveAfterMs;
    for (const entry of this.#awaited) {
      const waitedMs = now - entry.sentAt;
      if (waitedMs < STALLED_MS) break;
      if (entry.phase === 'sent') {
        entry.phase = 'stalled';
        entry.lease?.stall();
        this.#giveSlot(entry);
      }
      if (waitedMs >= unresponsiveAfterMs) {
        entry.phase = 'unresponsive';
        this.#awaited.delete(entry);
        entry.lease?.giveUp();
        if (entry.waitsFor !== undefined) this.#unresponsive.add(entry.waitsFor.domain, entry.waitsFor.cause);
        entry.settle({ status: 'unresponsive' });
      }
    }
    if (this.#awaited.size > 0) this.#sweepLater();
  }

  async #takeSlot(entry: Entry): Promise<void> {
    if (this.#usedSlots < this.#slots) this.#usedSlots += 1;
    else await new Promise<void>((resolve) => this.#waitingForSlot.push(resolve));
    entry.holdsSlot = true;
  }

  #giveSlot(entry: Entry): void {
    if (!entry.holdsSlot) return;
    entry.holdsSlot = false;
    this.#usedSlots -= 1;
    while (this.#usedSlots < this.#slots) {
      const next = this.#waitingForSlot.shift();
      if (next === undefined) return;
      this.#usedSlots += 1;
      next();
    }
  }

  get #slots(): number {
    return this.#slowestMs >= SLOW_CALL_MS ? SLOW_CALLS_AT_A_TIME : CALLS_AT_A_TIME;
  }
}

const UNSENT = Symbol('unsent');

function unsent(procedure: string): LibvirtTransportError {
  return new LibvirtTransportError('ERR_LIBVIRT_TIMEOUT', `${procedure}: no time was left to send it`);
}
