import type { Logger } from 'pino';
import { settledWithin } from '../concurrency.ts';
import { LibvirtTransportError } from '../libvirt/errors.ts';
import { type DomainEvent, Lifecycle } from '../libvirt/events.ts';
import { GuestAgent, type SendCommand } from './agent.ts';
import { applyCrash, applyFailure, applyResult, type ProbeTimes } from './apply-result.ts';
import { type GuestState, type GuestTarget, type GuestView, newGuestState } from './guest-state.ts';
import { ProbeEnded, type ProbeResult, probeGuest } from './probe.ts';
import {
  isTrusted,
  type OccupiedSlot,
  type ProbeEnding,
  pickNext,
  type ScheduleEntry,
} from './probe-schedule.ts';
import { dueEntry, type ProbeEvent, transition, unavailableFor } from './probe-state.ts';
import { viewAfterUnavailable, viewAt } from './served-view.ts';
import { isPassing, type UnavailableReason } from './unavailable-reason.ts';

export interface ProberOptions {
  readonly intervalMs: number;
  /** Probes that run at the same time, at most. */
  readonly concurrency: number;
  /** Timeout of one command of a probe, in milliseconds. */
  readonly commandTimeoutMs: number;
  readonly filesystems: boolean;
  /** The running domains as they are now. */
  readonly targets: () => Iterable<GuestTarget>;
  /** Sends a command to a guest; rejects with libvirt's error. */
  readonly send: (target: GuestTarget) => SendCommand;
  /** libvirt's read-write socket refused the exporter a moment ago. */
  readonly isRefused: () => boolean;
  readonly log: Logger;
  /** Monotonic clock in milliseconds; performance.now() by default. */
  readonly now?: () => number;
  /** A number from 0 to 1 for the jitter; Math.random() by default. */
  readonly random?: () => number;
}

/** How often the targets are looked at, and due probes started. */
const TICK_MS = 500;
/** Agent's version, OS and the like are fetched again after this many probes. */
const STATIC_INFO_PROBES = 10;
/** Domains that appear this soon after the start count as waiting since the start, in whatever order they were read. */
const STARTING_MS = 10_000;
/** A sample is served for this many intervals when a backup or a lost connection keeps newer ones away. */
const STALE_INTERVALS = 3;
/** The time for a probe, as a multiple of the timeout of one command. */
const PROBE_COMMANDS = 3;
const STOP_MS = 2_000;

interface RunningProbe extends OccupiedSlot {
  readonly agent: GuestAgent;
  readonly ended: Promise<void>;
}

/**
 * Probes guests in the background and keeps their last results; scrapes wait for no guest. probe-state.ts says what
 * state a guest is in, probe-schedule.ts which guest comes next; this class runs the probes and the timer.
 *
 * When a probe ends, the next one starts in its slot. One slot is kept for guests that answer: a silent guest
 * occupies its slot for libvirt's five seconds.
 */
export class GuestProber {
  readonly #options: ProberOptions;
  readonly #now: () => number;
  readonly #random: () => number;
  readonly #states = new Map<string, GuestState>();
  /** By the domain's UUID. The probe of a domain's former run may still be running when the next run begins. */
  readonly #running = new Map<string, RunningProbe>();
  #timer: NodeJS.Timeout | undefined;
  #startedAt = Number.NEGATIVE_INFINITY;
  #stopped = false;

  constructor(options: ProberOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#random = options.random ?? Math.random;
  }

  start(): void {
    this.#startedAt = this.#now();
    this.#timer = setInterval(() => this.tick(), TICK_MS);
  }

  /** Starts no more probes. The running ones close their files; waits up to two seconds for them. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    const running = [...this.#running.values()];
    for (const { agent } of running) agent.expire();
    if (running.length > 0) await settledWithin(Promise.all(running.map(({ ended }) => ended)), STOP_MS);
  }

  /** What is known of a guest; undefined when its domain does not run. */
  view(uuid: string): GuestView | undefined {
    const state = this.#states.get(uuid);
    if (state === undefined) return undefined;
    const staleMs = STALE_INTERVALS * this.#options.intervalMs;
    return viewAt(state.served, unavailableFor(state.probe), this.#now(), staleMs);
  }

  handleEvent(event: DomainEvent): void {
    // libvirt reports "started", in the same run, for a domain that wakes up from suspend to RAM.
    const continues =
      event.kind === 'lifecycle' && (event.event === Lifecycle.resumed || event.event === Lifecycle.started);
    const state = this.#states.get(event.domain.uuid);
    if (state !== undefined && (event.kind === 'agent' || event.kind === 'reboot'))
      state.counters = { ...state.counters, mayHaveBooted: true };
    // Another kernel may have other files.
    if (event.kind === 'reboot') state?.unreadable.clear();
    // At a reboot the agent is about to leave; its own event follows when it is back.
    if (event.kind === 'agent' || continues) this.requestProbe(event.domain.uuid);
  }

  /** Something happened to this guest or its agent: probes it soon, at most once in an interval. */
  requestProbe(uuid: string): void {
    const state = this.#states.get(uuid);
    if (state === undefined) return;
    this.#move(state, { kind: 'probe-requested' });
    forgetStaticInfo(state);
  }

  /** Takes in the current targets, and starts the probes that are due as far as slots are free. */
  tick(): void {
    this.#updateTargets();
    this.#fillSlots();
  }

  #move(state: GuestState, event: ProbeEvent): void {
    state.probe = transition(state.probe, event, this.#now(), this.#options.intervalMs);
  }

  #updateTargets(): void {
    const present = new Set<string>();
    const isRefused = this.#options.isRefused();
    for (const target of this.#options.targets()) {
      present.add(target.uuid);
      const known = this.#states.get(target.uuid);
      const state = known?.target.id === target.id ? known : this.#addRun(target, known);
      this.#updateTarget(state, target, reasonAgainst(target, isRefused));
    }
    for (const uuid of this.#states.keys()) {
      if (!present.has(uuid)) this.#states.delete(uuid);
    }
  }

  #addRun(target: GuestTarget, before: GuestState | undefined): GuestState {
    const now = this.#now();
    const isStarting = now - this.#startedAt < STARTING_MS;
    const state = newGuestState(target, before, isStarting ? this.#startedAt : now);
    this.#states.set(target.uuid, state);
    return state;
  }

  #updateTarget(state: GuestState, target: GuestTarget, reason: UnavailableReason | undefined): void {
    state.target = target;
    const before = unavailableFor(state.probe);
    if (before === reason) return;
    this.#move(state, { kind: 'target-changed', unavailable: reason });
    forgetStaticInfo(state);
    if (before === undefined) return;
    state.served = viewAfterUnavailable(state.served, before);
    if (!isPassing(before)) state.counters = { ...state.counters, mayHaveBooted: true };
  }

  #fillSlots(): void {
    while (!this.#stopped && !this.#options.isRefused()) {
      const now = this.#now();
      const occupied = [...this.#running.values()];
      const next = pickNext(this.#due(now), occupied, this.#options.concurrency, now);
      const state = next && this.#states.get(next.uuid);
      if (state === undefined) return;
      this.#start(state);
    }
  }

  *#due(now: number): Generator<ScheduleEntry> {
    for (const { probe, target } of this.#states.values()) {
      const { uuid, cpuShare = 0 } = target;
      const entry = dueEntry(probe, { uuid, cpuShare }, now);
      if (entry !== undefined && !this.#running.has(uuid)) yield entry;
    }
  }

  #start(state: GuestState): void {
    const { uuid } = state.target;
    const startedAt = this.#now();
    const trusted = isTrusted(state.probe.reliability);
    const deadline = startedAt + PROBE_COMMANDS * this.#options.commandTimeoutMs;
    const agent = new GuestAgent(this.#options.send(state.target), state.unclosed, deadline, this.#now);
    this.#move(state, { kind: 'probe-started' });
    const ended = this.#probe(state, agent, startedAt).finally(() => {
      this.#running.delete(uuid);
      // Not at once: while libvirt is away every probe ends without a pause, and the event loop needs its turn.
      setImmediate(() => this.#fillSlots());
    });
    this.#running.set(uuid, { agent, trusted, startedAt, ended });
  }

  async #probe(state: GuestState, agent: GuestAgent, startedAt: number): Promise<void> {
    const { mayHaveBooted } = state.counters;
    state.counters = { ...state.counters, mayHaveBooted: false };
    const times = (): ProbeTimes => ({
      startedAt,
      endedAt: this.#now(),
      completedSeconds: Date.now() / 1000,
    });
    let ending: ProbeEnding;
    try {
      const result = await this.#fetchAll(state, agent);
      ending = this.#answered(state, result, times(), mayHaveBooted);
    } catch (error) {
      ending = this.#notAnswered(state, error, times());
    }
    if (ending !== 'complete' && ending !== 'partial')
      state.counters = { ...state.counters, mayHaveBooted: state.counters.mayHaveBooted || mayHaveBooted };
    this.#move(state, { kind: 'probe-ended', ending, random: this.#random() });
  }

  async #fetchAll(state: GuestState, agent: GuestAgent): Promise<ProbeResult> {
    const { value, probes } = state.staticInfo;
    const staticInfo = probes < STATIC_INFO_PROBES ? value : undefined;
    const { filesystems } = this.#options;
    const { unreadable } = state;
    const result = await probeGuest(agent, { staticInfo, filesystems, unreadable });
    state.staticInfo = { ...state.staticInfo, probes: staticInfo === undefined ? 1 : probes + 1 };
    return result;
  }

  #answered(state: GuestState, result: ProbeResult, times: ProbeTimes, mayHaveBooted: boolean): ProbeEnding {
    if (result.stoppedAnswering && isUnresponsive(state)) return 'interrupted';
    return applyResult(state, result, times, mayHaveBooted);
  }

  #notAnswered(state: GuestState, error: unknown, times: ProbeTimes): ProbeEnding {
    const { name: domain } = state.target;
    if (error instanceof ProbeEnded) {
      if (isUnresponsive(state)) return 'interrupted';
      if (error.reason === 'read_only') this.#logRefusal(state, error.cause);
      return applyFailure(state, error.reason, times);
    }
    if (error instanceof LibvirtTransportError) {
      this.#options.log.debug(
        { err: error, domain },
        'connection to libvirt lost during a probe of the guest agent; the guest is probed again later',
      );
      return 'interrupted';
    }
    const message = messageOf(error);
    if (state.logged.crash !== message)
      this.#options.log.error(
        { err: error, domain },
        'internal error in a probe of the guest agent; no new values from inside this guest',
      );
    state.logged = { ...state.logged, crash: message };
    return applyCrash(state);
  }

  #logRefusal(state: GuestState, cause: unknown): void {
    const message = messageOf(cause);
    if (state.logged.refusal !== message)
      this.#options.log.warn(
        { err: cause, domain: state.target.name },
        'libvirt refuses access to the guest agent; no values from inside this guest',
      );
    state.logged = { ...state.logged, refusal: message };
  }
}

/** Why a guest cannot be probed; undefined when it can. */
function reasonAgainst(
  { agentChannel, optedOut, unresponsive }: GuestTarget,
  isRefused: boolean,
): UnavailableReason | undefined {
  if (optedOut) return 'opted_out';
  if (agentChannel === undefined) return 'no_channel';
  if (isRefused) return 'read_only';
  if (agentChannel === 'disconnected') return 'agent_disconnected';
  return unresponsive ? 'busy' : undefined;
}

/** The domain's QEMU stopped responding during the probe, so that a silent agent is not to blame. */
function isUnresponsive({ probe }: GuestState): boolean {
  const reason = unavailableFor(probe);
  return reason !== undefined && isPassing(reason);
}

function forgetStaticInfo(state: GuestState): void {
  state.staticInfo = { ...state.staticInfo, value: undefined };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
