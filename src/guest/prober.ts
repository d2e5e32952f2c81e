import type { Logger } from 'pino';
import { GuestAgent, type SendCommand } from './agent.ts';
import {
  allMissing,
  countErrors,
  type GuestState,
  type GuestTarget,
  type GuestView,
  NO_GUEST_VIEW,
} from './guest-state.ts';
import { isPassing, type MissingReason, PROBE_ERRORS, type ProbeError } from './missing.ts';
import { advance } from './monotonic.ts';
import { ProbeEnded, type ProbeResult, probeGuest } from './probe.ts';

export interface ProberOptions {
  readonly intervalMs: number;
  readonly concurrency: number;
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
/** Agent's version, OS and the like are asked again after this many probes. */
const LASTING_PROBES = 10;
const LONGEST_BACKOFF_MS = 10 * 60_000;
const JITTER = 0.1;
/** A reading is served for this many intervals when a backup or a lost connection keeps the next one away. */
const STALE_INTERVALS = 3;
/** A guest whose last probe took longer counts as a silent one when places are given out. */
const SLOW_SECONDS = 5;

/**
 * Probes guests in the background and keeps what they said. Scrapes read the last result and wait for no guest.
 * One place stays free for guests that answered the last time, and soon, so that silent ones, each of which holds
 * its place for libvirt's five seconds and then backs off, and those that draw out each answer never keep the others
 * waiting.
 */
export class GuestProber {
  readonly #options: ProberOptions;
  readonly #states = new Map<string, GuestState>();
  /** The guests that are being asked now: a former run's probe may still be under way when the next run begins. */
  readonly #probing = new Set<string>();
  #suspects = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ProberOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = setInterval(() => this.tick(), TICK_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** What is known of a guest; undefined when it does not run. */
  view(uuid: string): GuestView | undefined {
    const state = this.#states.get(uuid);
    return state && this.#withoutStale(state);
  }

  /** Something happened to this guest or its agent: probe it at once, whatever happened before. */
  kick(uuid: string): void {
    const state = this.#states.get(uuid);
    if (state !== undefined) startOver(state);
  }

  /** Looks over all guests and begins the probes that are due, as far as there are places. */
  tick(): void {
    this.#follow();
    const now = performance.now();
    const due = [...this.#states.values()].filter(
      (state) => !this.#probing.has(state.target.uuid) && state.dueAt <= now && this.#canAsk(state),
    );
    due.sort((a, b) => prospect(a) - prospect(b) || a.dueAt - b.dueAt || busy(b) - busy(a));
    const placesForSuspects = Math.max(1, this.#options.concurrency - 1);
    for (const state of due) {
      if (this.#probing.size >= this.#options.concurrency) return;
      const suspect = isSuspect(state.view);
      if (suspect && this.#suspects >= placesForSuspects) continue;
      void this.#probe(state, suspect);
    }
  }

  /** Takes up domains that run and drops those that do not; tells apart why one cannot be asked. */
  #follow(): void {
    const running = new Set<string>();
    for (const target of this.#options.targets()) {
      running.add(target.uuid);
      const known = this.#states.get(target.uuid);
      const state = known?.target.id === target.id ? known : this.#takeUp(target, known);
      if (state.target.agentChannel !== target.agentChannel) {
        state.dueAt = 0;
        state.kicked = state.probing;
      }
      state.target = target;
      const reason = this.#unaskable(target);
      if (reason !== undefined) this.#setAside(state, reason);
    }
    for (const uuid of this.#states.keys()) {
      if (!running.has(uuid)) this.#states.delete(uuid);
    }
  }

  #takeUp(target: GuestTarget, before: GuestState | undefined): GuestState {
    const state: GuestState = {
      target,
      view: { ...NO_GUEST_VIEW, errors: before?.view.errors ?? NO_GUEST_VIEW.errors },
      lasting: undefined,
      lastingAge: 0,
      counters: undefined,
      unclosed: new Set(),
      failures: 0,
      dueAt: 0,
      readAt: Number.NEGATIVE_INFINITY,
      probing: false,
      kicked: false,
      putOff: undefined,
    };
    this.#states.set(target.uuid, state);
    return state;
  }

  #unaskable({ agentChannel, optedOut }: GuestTarget): MissingReason | undefined {
    if (optedOut) return 'opted_out';
    if (agentChannel === undefined) return 'no_channel';
    if (this.#options.isRefused()) return 'read_only';
    return agentChannel === 'disconnected' ? 'agent_disconnected' : undefined;
  }

  #canAsk({ target }: GuestState): boolean {
    return this.#unaskable(target) === undefined;
  }

  #setAside(state: GuestState, reason: MissingReason): void {
    const agentUp = reason === 'agent_disconnected' || reason === 'read_only' ? false : undefined;
    state.view = { ...state.view, agentUp, reading: undefined, filesystems: [], missing: allMissing(reason) };
    state.lasting = undefined;
  }

  async #probe(state: GuestState, suspect: boolean): Promise<void> {
    const { uuid } = state.target;
    state.probing = true;
    this.#probing.add(uuid);
    if (suspect) this.#suspects += 1;
    const begun = performance.now();
    try {
      const agent = new GuestAgent(this.#options.send(state.target), state.unclosed);
      const lasting = state.lastingAge < LASTING_PROBES ? state.lasting : undefined;
      const result = await probeGuest(agent, { lasting, filesystems: this.#options.filesystems });
      state.lastingAge = lasting === undefined ? 1 : state.lastingAge + 1;
      this.#answered(state, result, begun);
    } catch (error) {
      if (error instanceof ProbeEnded) this.#ended(state, error.reason, begun);
      else this.#options.log.debug({ err: error, domain: state.target.name }, 'probe was interrupted');
    } finally {
      state.probing = false;
      this.#probing.delete(uuid);
      if (suspect) this.#suspects -= 1;
      const doublings = Math.min(Math.max(0, state.failures - 1), 16);
      const backoff = Math.min(LONGEST_BACKOFF_MS, this.#options.intervalMs * 2 ** doublings);
      const pause = Math.max(this.#options.intervalMs, backoff);
      state.dueAt = performance.now() + pause * (1 - JITTER + 2 * JITTER * Math.random());
      if (state.kicked) startOver(state);
    }
  }

  #answered(state: GuestState, { reading, lasting, filesystems, missing }: ProbeResult, begun: number): void {
    const {
      cpu,
      pressure,
      regressed,
      state: counters,
    } = advance(state.counters, {
      runKey: String(state.target.id),
      bootTimeSeconds: reading.bootTimeSeconds,
      cpu: reading.cpu,
      pressure: reading.pressure,
    });
    const errors = new Set<ProbeError>([...missing.values()].filter(isProbeError));
    if (regressed.length > 0) errors.add('counter_regressed');
    state.counters = counters;
    state.lasting = lasting;
    state.failures = 0;
    state.readAt = performance.now();
    state.putOff = undefined;
    state.view = {
      agentUp: true,
      reading: { ...reading, cpu, pressure },
      filesystems,
      missing,
      lastProbe: probeTimes(begun),
      errors: countErrors(state.view.errors, errors),
    };
  }

  #ended(state: GuestState, reason: MissingReason, begun: number): void {
    const errors = countErrors(state.view.errors, isProbeError(reason) ? [reason] : []);
    const lastProbe = probeTimes(begun);
    if (isPassing(reason)) {
      // A backup holds the agent: what it said last is still the best there is, until it is stale.
      state.putOff = reason;
      const missing = state.view.reading === undefined ? allMissing(reason) : state.view.missing;
      state.view = { ...state.view, missing, lastProbe, errors };
      return;
    }
    state.failures += 1;
    state.lasting = undefined;
    state.view = {
      agentUp: false,
      reading: undefined,
      filesystems: [],
      missing: allMissing(reason),
      lastProbe,
      errors,
    };
  }

  #withoutStale(state: GuestState): GuestView {
    const { view, readAt, putOff } = state;
    const stale = performance.now() - readAt > STALE_INTERVALS * this.#options.intervalMs;
    if (view.reading === undefined || !stale || state.failures > 0) return view;
    return {
      ...view,
      agentUp: false,
      reading: undefined,
      filesystems: [],
      missing: allMissing(putOff ?? 'agent_silent'),
    };
  }
}

/** What an event does; during a probe, whose end would undo it, it is done again at the end. */
function startOver(state: GuestState): void {
  state.failures = 0;
  state.dueAt = 0;
  state.lasting = undefined;
  state.kicked = state.probing;
}

/**
 * Those that answered come first, then those that were never asked, then those that failed. Of the ones never
 * asked, all due at once after a start, those whose processors work are the likelier to answer: a guest that hangs
 * in its firmware or has halted uses none.
 */
function prospect({ failures, view }: GuestState): number {
  if (failures > 0) return 2;
  return view.agentUp === undefined ? 1 : 0;
}

function busy({ target }: GuestState): number {
  return target.busy ?? 0;
}

function isSuspect({ agentUp, lastProbe }: GuestView): boolean {
  return agentUp !== true || (lastProbe?.durationSeconds ?? 0) > SLOW_SECONDS;
}

function isProbeError(reason: MissingReason): reason is MissingReason & ProbeError {
  return PROBE_ERRORS.some((error) => error === reason);
}

function probeTimes(begun: number): GuestView['lastProbe'] {
  return { completedSeconds: Date.now() / 1000, durationSeconds: (performance.now() - begun) / 1000 };
}
