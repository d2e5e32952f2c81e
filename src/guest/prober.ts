import type { Logger } from 'pino';
import { settledWithin } from '../concurrency.ts';
import { LibvirtTransportError } from '../libvirt/errors.ts';
import { type DomainEvent, Lifecycle } from '../libvirt/events.ts';
import { GuestAgent, type SendCommand } from './agent.ts';
import { applyFailure, applyResult, viewNow } from './apply-result.ts';
import {
  allUnavailable,
  type GuestState,
  type GuestTarget,
  type GuestView,
  newGuestState,
} from './guest-state.ts';
import { ProbeEnded, probeGuest } from './probe.ts';
import { isSuspect, pickNext, recordReliability, type TakenPlace } from './probe-schedule.ts';
import type { UnavailableReason } from './unavailable-reason.ts';

export interface ProberOptions {
  readonly intervalMs: number;
  readonly concurrency: number;
  /** Most time for one command of a probe, in milliseconds. */
  readonly commandTimeoutMs: number;
  readonly filesystems: boolean;
  /** The running domains as they are now. */
  readonly targets: () => Iterable<GuestTarget>;
  /** Sends a command to a guest; rejects with libvirt's error. */
  readonly send: (target: GuestTarget) => SendCommand;
  /** There is no read-write connection, and none is to be had at the moment. */
  readonly isRefused: () => boolean;
  readonly log: Logger;
}

/** How often the list of guests is looked over for one that is due. */
const TICK_MS = 500;
/** An event is told before the domain's XML, read anew, says whether the agent came or went. */
const SETTLING_MS = TICK_MS;
/** Agent's version, OS and the like are asked again after this many probes. */
const LASTING_PROBES = 10;
/** A host's domains are read in this time: all that are found in it have waited since the start, and are equals. */
const STARTING_MS = 10_000;
const LONGEST_BACKOFF_MS = 10 * 60_000;
const JITTER = 0.1;
/** A reading is served for this many intervals when a backup or a lost connection keeps the next one away. */
const STALE_INTERVALS = 3;
/** A probe may take as long as this many commands that just do not time out. */
const PROBE_COMMANDS = 3;
/** More probes put off in a row than any backup takes: the guest then backs off like a silent one. */
const MAX_PUT_OFFS = 10;
const STOP_MS = 2_000;

interface RunningProbe extends TakenPlace {
  readonly agent: GuestAgent;
  readonly ended: Promise<void>;
}

/**
 * Probes guests in the background and keeps what they said. Scrapes read the last result and wait for no guest.
 * One place stays free for guests that answered of late, and soon, so that silent ones, each of which holds
 * its place for libvirt's five seconds and then backs off, and those that draw out each answer never keep the others
 * waiting. As soon as a probe ends the next guest has its place.
 */
export class GuestProber {
  readonly #options: ProberOptions;
  readonly #states = new Map<string, GuestState>();
  /** The guests that are being asked now: a former run's probe may still be under way when the next run begins. */
  readonly #probing = new Map<string, RunningProbe>();
  #timer: NodeJS.Timeout | undefined;
  #startedAt = Number.NEGATIVE_INFINITY;
  #stopped = false;

  constructor(options: ProberOptions) {
    this.#options = options;
  }

  start(): void {
    this.#startedAt = performance.now();
    this.#timer = setInterval(() => this.tick(), TICK_MS);
  }

  /** Begins no more probes, and has those under way close what they opened; waits for them for a moment. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    const running = [...this.#probing.values()];
    for (const { agent } of running) agent.expire();
    if (running.length > 0) await settledWithin(Promise.all(running.map(({ ended }) => ended)), STOP_MS);
  }

  /** What is known of a guest; undefined when it does not run. */
  view(uuid: string): GuestView | undefined {
    const state = this.#states.get(uuid);
    return state && viewNow(state, STALE_INTERVALS * this.#options.intervalMs);
  }

  handleEvent(event: DomainEvent): void {
    // One that wakes up from its sleep is "started" in the same run.
    const goesOn =
      event.kind === 'lifecycle' && (event.event === Lifecycle.resumed || event.event === Lifecycle.started);
    const state = this.#states.get(event.domain.uuid);
    if (state !== undefined && (event.kind === 'agent' || event.kind === 'reboot'))
      state.mayHaveBooted = true;
    // At a reboot the agent is about to leave; an event of its own tells when it is back.
    if (event.kind === 'agent' || goesOn) this.kick(event.domain.uuid);
  }

  /** Something happened to this guest or its agent: probe it soon, if that did not happen a moment ago. */
  kick(uuid: string): void {
    const state = this.#states.get(uuid);
    if (state !== undefined) this.#startOver(state, performance.now() + SETTLING_MS);
  }

  /** Looks over all guests and begins the probes that are due, as far as there are places. */
  tick(): void {
    this.#follow();
    this.#fill();
  }

  #fill(): void {
    for (;;) {
      const now = performance.now();
      const taken = [...this.#probing.values()];
      const next = pickNext(this.#due(now), taken, this.#options.concurrency, now);
      if (next === undefined || this.#stopped) return;
      this.#begin(next);
    }
  }

  *#due(now: number): Generator<GuestState> {
    for (const state of this.#states.values()) {
      if (state.dueAt <= now && !this.#probing.has(state.target.uuid) && this.#canAsk(state)) yield state;
    }
  }

  /** Takes up domains that run and drops those that do not; tells apart why one cannot be asked. */
  #follow(): void {
    const now = performance.now();
    const running = new Set<string>();
    for (const target of this.#options.targets()) {
      running.add(target.uuid);
      const known = this.#states.get(target.uuid);
      const state = known?.target.id === target.id ? known : this.#takeUp(target, known, now);
      state.target = target;
      const reason = this.#unaskable(target);
      if (reason !== undefined) this.#setAside(state, reason);
      else if (state.aside !== undefined) this.#takeBack(state);
    }
    for (const uuid of this.#states.keys()) {
      if (!running.has(uuid)) this.#states.delete(uuid);
    }
  }

  #takeUp(target: GuestTarget, before: GuestState | undefined, now: number): GuestState {
    const state = newGuestState(target, before, now - this.#startedAt < STARTING_MS ? this.#startedAt : now);
    this.#states.set(target.uuid, state);
    return state;
  }

  #unaskable({ agentChannel, optedOut }: GuestTarget): UnavailableReason | undefined {
    if (optedOut) return 'opted_out';
    if (agentChannel === undefined) return 'no_channel';
    if (this.#options.isRefused()) return 'read_only';
    return agentChannel === 'disconnected' ? 'agent_disconnected' : undefined;
  }

  #canAsk({ target }: GuestState): boolean {
    return this.#unaskable(target) === undefined;
  }

  #setAside(state: GuestState, reason: UnavailableReason): void {
    const agentUp = reason === 'agent_disconnected' || reason === 'read_only' ? false : undefined;
    state.view = {
      ...state.view,
      agentUp,
      reading: undefined,
      filesystems: [],
      missing: allUnavailable(reason),
    };
    state.lasting = undefined;
    state.aside = reason;
    // The time in which it cannot be asked is not one of waiting.
    state.dueAt = Math.max(state.dueAt, performance.now());
  }

  /** It can be asked again. A way in that was refused is only tried anew, so that guests stay refused until it opens. */
  #takeBack(state: GuestState): void {
    if (state.aside !== 'read_only')
      state.view = { ...state.view, agentUp: undefined, missing: allUnavailable('busy') };
    state.tookMs = undefined;
    state.mayHaveBooted = true;
    state.aside = undefined;
    this.#startOver(state, performance.now());
  }

  #begin(state: GuestState): void {
    const begun = performance.now();
    const deadline = begun + PROBE_COMMANDS * this.#options.commandTimeoutMs;
    const agent = new GuestAgent(this.#options.send(state.target), state.unclosed, deadline);
    const { uuid } = state.target;
    const suspect = isSuspect(state);
    state.probing = true;
    if (state.expedited) state.rateLimitedUntil = begun + this.#options.intervalMs;
    state.expedited = false;
    const ended = this.#probe(state, agent, begun).finally(() => {
      this.#probing.delete(uuid);
      // Not at once: while libvirt is away every probe ends without a pause, and the event loop is needed.
      setImmediate(() => this.#fill());
    });
    this.#probing.set(uuid, { agent, suspect, begun, ended });
  }

  async #probe(state: GuestState, agent: GuestAgent, begun: number): Promise<void> {
    const { mayHaveBooted } = state;
    state.mayHaveBooted = false;
    let answered = false;
    try {
      const lasting = state.lastingAge < LASTING_PROBES ? state.lasting : undefined;
      const result = await probeGuest(agent, { lasting, filesystems: this.#options.filesystems });
      state.lastingAge = lasting === undefined ? 1 : state.lastingAge + 1;
      applyResult(state, result, begun, mayHaveBooted);
      answered = true;
    } catch (error) {
      if (error instanceof ProbeEnded) {
        applyFailure(state, error.reason, begun);
        if (error.reason === 'read_only') this.#refused(state, error.cause);
      } else {
        this.#interrupted(state, error);
      }
    } finally {
      if (!answered) state.mayHaveBooted ||= mayHaveBooted;
      state.probing = false;
      state.tookMs = performance.now() - begun;
      recordReliability(state, answered);
      const inVain = Math.max(state.failures, state.putOffs - MAX_PUT_OFFS);
      const doublings = Math.min(Math.max(0, inVain - 1), 16);
      const backoff = Math.min(LONGEST_BACKOFF_MS, this.#options.intervalMs * 2 ** doublings);
      const pause = Math.max(this.#options.intervalMs, backoff);
      state.dueAt = performance.now() + pause * (1 - JITTER + 2 * JITTER * Math.random());
      if (state.kicked) this.#bringForward(state, performance.now() + SETTLING_MS);
    }
  }

  /** libvirt's access control lets nobody ask this guest: told once, as it stays so for long. */
  #refused(state: GuestState, cause: unknown): void {
    const message = cause instanceof Error ? cause.message : String(cause);
    if (state.refusal !== message)
      this.#options.log.warn(
        { err: cause, domain: state.target.name },
        'libvirt does not let this guest be asked',
      );
    state.refusal = message;
  }

  /** A lost connection says nothing of the guest. Anything else is a fault of this program, to be seen once. */
  #interrupted(state: GuestState, error: unknown): void {
    const { name: domain } = state.target;
    if (error instanceof LibvirtTransportError) {
      this.#options.log.debug({ err: error, domain }, 'probe was interrupted');
      return;
    }
    state.failures += 1;
    const message = error instanceof Error ? error.message : String(error);
    if (state.fault !== message) this.#options.log.error({ err: error, domain }, 'probe failed');
    state.fault = message;
  }

  /**
   * What an event does; during a probe, whose end would undo it, it is done at the end. Of the failures before it one
   * stays: an agent that still starts may miss its first probe, and one that comes and goes is no good one.
   */
  #startOver(state: GuestState, from: number): void {
    state.lasting = undefined;
    state.failures = Math.min(state.failures, 1);
    state.putOffs = 0;
    if (state.probing) state.kicked = true;
    else this.#bringForward(state, from);
  }

  /** Once in an interval: a guest makes its agent's channel open and close as often as it likes. */
  #bringForward(state: GuestState, from: number): void {
    state.kicked = false;
    const dueAt = Math.max(from, state.rateLimitedUntil);
    if (dueAt >= state.dueAt) return;
    state.dueAt = dueAt;
    state.expedited = true;
  }
}
