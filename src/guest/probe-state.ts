import {
  type Due,
  expectedMs,
  expedite,
  forgiveFailures,
  isTrusted,
  NEVER_PROBED,
  nextRateLimit,
  type ProbeEnding,
  pauseMs,
  type Reliability,
  recordReliability,
  type ScheduleEntry,
} from './probe-schedule.ts';
import { isPassing, type UnavailableReason } from './unavailable-reason.ts';

/** Whether a guest is probed and when, for one run of its domain. Times are milliseconds of the prober's clock. */
export interface ProbeState {
  readonly phase: ProbePhase;
  readonly reliability: Reliability;
  /** Until then an event does not bring a probe forward. */
  readonly rateLimitedUntil: number;
}

export type ProbePhase = Waiting | Probing | Finishing | Unavailable;

/** The guest can be probed, and is when it is due and a slot is free. */
interface Waiting extends Due {
  readonly name: 'waiting';
}

interface Probing {
  readonly name: 'probing';
  readonly startedAt: number;
  /** An event arrived during this probe: the next one is due soon after its end. */
  readonly requested: boolean;
}

/** The guest became unavailable during its probe, which has not ended yet. */
interface Finishing {
  readonly name: 'finishing';
  readonly startedAt: number;
  readonly requested: boolean;
  readonly reason: UnavailableReason;
}

/** The guest cannot be probed. The due time holds for when the reason is gone. */
interface Unavailable extends Due {
  readonly name: 'unavailable';
  readonly reason: UnavailableReason;
}

export type ProbeEvent =
  /** The domain's configuration, its agent channel or the way to it was looked at. */
  | { readonly kind: 'target-changed'; readonly unavailable: UnavailableReason | undefined }
  /** Something happened to the guest or its agent. */
  | { readonly kind: 'probe-requested' }
  | { readonly kind: 'probe-started' }
  | ProbeEndedEvent;

interface ProbeEndedEvent {
  readonly kind: 'probe-ended';
  readonly ending: ProbeEnding;
  /** From 0 to 1. */
  readonly random: number;
}

/**
 * From an event to the probe that it requests. libvirt sends the event before the domain's XML, fetched again, says
 * whether the agent came or went.
 */
export const SETTLING_MS = 500;

/** The state of a domain that has just appeared. */
export function newProbeState(dueAt: number): ProbeState {
  return {
    phase: { name: 'waiting', dueAt, expedited: false },
    reliability: NEVER_PROBED,
    rateLimitedUntil: Number.NEGATIVE_INFINITY,
  };
}

/**
 * The state after an event. An event that a phase does not expect (–) changes nothing.
 *
 * | phase       | unavailable(reason) | available          | requested       | started | ended       |
 * |-------------|---------------------|--------------------|-----------------|---------|-------------|
 * | waiting     | unavailable         | –                  | due soon        | probing | –           |
 * | probing     | finishing           | –                  | requested       | –       | waiting     |
 * | finishing   | new reason          | probing, requested | requested       | –       | unavailable |
 * | unavailable | new reason          | waiting, due now   | due soon        | –       | –           |
 *
 * "unavailable" and "available" are `target-changed` with and without a reason.
 */
export function transition(
  state: ProbeState,
  event: ProbeEvent,
  now: number,
  intervalMs: number,
): ProbeState {
  switch (event.kind) {
    case 'target-changed':
      return event.unavailable === undefined
        ? becomeAvailable(state, now)
        : becomeUnavailable(state, event.unavailable);
    case 'probe-requested':
      return requestProbe(state, now);
    case 'probe-started':
      return startProbe(state, now, intervalMs);
    case 'probe-ended':
      return endProbe(state, event, now, intervalMs);
  }
}

/** Why the guest cannot be probed; undefined when it can. */
export function unavailableFor({ phase }: ProbeState): UnavailableReason | undefined {
  return phase.name === 'unavailable' || phase.name === 'finishing' ? phase.reason : undefined;
}

/** The guest's entry in the schedule; undefined unless the guest waits for a probe that is due. */
export function dueEntry(
  { phase, reliability }: ProbeState,
  { uuid, cpuShare }: Pick<ScheduleEntry, 'uuid' | 'cpuShare'>,
  now: number,
): ScheduleEntry | undefined {
  if (phase.name !== 'waiting' || phase.dueAt > now) return undefined;
  return {
    uuid,
    dueAt: phase.dueAt,
    expectedMs: expectedMs(reliability),
    trusted: isTrusted(reliability),
    cpuShare,
  };
}

function becomeUnavailable(state: ProbeState, reason: UnavailableReason): ProbeState {
  const { phase } = state;
  switch (phase.name) {
    case 'waiting':
      return { ...state, phase: { ...phase, name: 'unavailable', reason } };
    case 'probing':
      return { ...state, phase: { ...phase, name: 'finishing', reason } };
    case 'finishing':
    case 'unavailable': {
      if (phase.reason === reason) return state;
      return {
        ...state,
        phase: { ...phase, reason },
        reliability: reliabilityAfter(phase.reason, state.reliability),
      };
    }
  }
}

function becomeAvailable(state: ProbeState, now: number): ProbeState {
  const { phase, rateLimitedUntil } = state;
  if (phase.name === 'waiting' || phase.name === 'probing') return state;
  const reliability = forgiveFailures(reliabilityAfter(phase.reason, state.reliability));
  if (phase.name === 'finishing') {
    const { startedAt } = phase;
    return { ...state, reliability, phase: { name: 'probing', startedAt, requested: true } };
  }
  // The time without a way to the agent does not count as waiting.
  const due = { dueAt: Math.max(phase.dueAt, now), expedited: phase.expedited };
  return { ...state, reliability, phase: { name: 'waiting', ...expedite(due, now, rateLimitedUntil) } };
}

/** After a passing reason the agent is the one that was there before; after any other, nothing is known of it. */
function reliabilityAfter(reason: UnavailableReason, reliability: Reliability): Reliability {
  return isPassing(reason) ? reliability : { ...reliability, answered: false, lastDurationMs: undefined };
}

function requestProbe(state: ProbeState, now: number): ProbeState {
  const { phase, rateLimitedUntil } = state;
  const reliability = forgiveFailures(state.reliability);
  if (phase.name === 'probing' || phase.name === 'finishing')
    return { ...state, reliability, phase: { ...phase, requested: true } };
  const { dueAt, expedited } = expedite(phase, now + SETTLING_MS, rateLimitedUntil);
  return { ...state, reliability, phase: { ...phase, dueAt, expedited } };
}

function startProbe(state: ProbeState, now: number, intervalMs: number): ProbeState {
  const { phase } = state;
  if (phase.name !== 'waiting') return state;
  return {
    ...state,
    phase: { name: 'probing', startedAt: now, requested: false },
    rateLimitedUntil: nextRateLimit(phase, state.rateLimitedUntil, now, intervalMs),
  };
}

function endProbe(
  state: ProbeState,
  { ending, random }: ProbeEndedEvent,
  now: number,
  intervalMs: number,
): ProbeState {
  const { phase, rateLimitedUntil } = state;
  if (phase.name !== 'probing' && phase.name !== 'finishing') return state;
  const reliability = recordReliability(state.reliability, ending, now - phase.startedAt);
  const regular = { dueAt: now + pauseMs(reliability, intervalMs, random), expedited: false };
  const due = phase.requested ? expedite(regular, now + SETTLING_MS, rateLimitedUntil) : regular;
  return {
    ...state,
    reliability,
    phase:
      phase.name === 'finishing'
        ? { name: 'unavailable', reason: phase.reason, ...due }
        : { name: 'waiting', ...due },
  };
}
