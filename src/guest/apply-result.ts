/** What the end of a probe makes of what is known of its guest. */

import { allUnavailable, countErrors, type GuestState, type GuestView } from './guest-state.ts';
import { advance } from './monotonic.ts';
import { isLasting, type ProbeResult } from './probe.ts';
import type { GuestFilesystem } from './replies.ts';
import { isPassing, PROBE_ERRORS, type ProbeError, type UnavailableReason } from './unavailable-reason.ts';

const MAX_MOUNTPOINTS = 64;
/** A guest that answers in part backs off to every other interval: its next reading comes before this one is stale. */
const FAILURES_THAT_STAY_FRESH = 2;

/** The guest answered, if not to all. `mayHaveBooted`: since its last reading, and before this one began. */
export function applyResult(
  state: GuestState,
  { reading, lasting, filesystems, missing, fellSilent }: ProbeResult,
  begun: number,
  mayHaveBooted: boolean,
): void {
  const readAt = performance.now();
  const {
    cpu,
    pressure,
    regressed,
    state: counters,
  } = advance(state.counters, {
    readAt,
    domainRunId: String(state.target.id),
    bootTimeSeconds: reading.bootTimeSeconds,
    mayHaveBooted,
    cpu: reading.cpu,
    pressure: reading.pressure,
  });
  const errors = new Set<ProbeError>([...missing.values()].filter(isProbeError));
  if (fellSilent) errors.add('agent_silent');
  if (regressed.length > 0) errors.add('counter_regressed');
  state.counters = counters;
  state.lasting = isLasting(lasting) ? lasting : undefined;
  state.failures = fellSilent ? Math.min(state.failures + 1, FAILURES_THAT_STAY_FRESH) : 0;
  state.putOffs = 0;
  state.fault = undefined;
  state.refusal = undefined;
  state.readAt = readAt;
  state.putOff = undefined;
  state.view = {
    agentUp: true,
    reading: { ...reading, cpu, pressure },
    filesystems: firstTold(state.mountpoints, filesystems),
    missing,
    lastProbe: probeTimes(begun),
    errors: countErrors(state.view.errors, errors),
  };
}

/** The probe ended without an answer that is worth anything. */
export function applyFailure(state: GuestState, reason: UnavailableReason, begun: number): void {
  const errors = countErrors(state.view.errors, isProbeError(reason) ? [reason] : []);
  if (isPassing(reason)) {
    // A backup holds the agent: what it said last is still the best there is, until it is stale.
    state.putOff = reason;
    state.putOffs += 1;
    state.view =
      state.view.reading === undefined
        ? { ...state.view, agentUp: false, missing: allUnavailable(reason), errors }
        : { ...state.view, errors };
    return;
  }
  state.failures += 1;
  state.lasting = undefined;
  state.view = {
    agentUp: false,
    reading: undefined,
    filesystems: [],
    missing: allUnavailable(reason),
    lastProbe: probeTimes(begun),
    errors,
  };
}

/** What is served of a guest now: a reading that is older than `staleMs` no more. */
export function viewNow({ view, readAt, putOff, fault }: GuestState, staleMs: number): GuestView {
  const stale = performance.now() - readAt > staleMs;
  if (view.reading === undefined || !stale) return view;
  // Where there was no time or no connection to ask it, nothing is known against its agent.
  const agentUp = putOff === undefined && fault === undefined ? view.agentUp : false;
  return { ...view, agentUp, reading: undefined, filesystems: [], missing: allUnavailable(putOff ?? 'busy') };
}

/**
 * The filesystems whose mount points were among the first that the guest told in this run, with the type that it
 * told first: what it makes up later makes no more series.
 */
function firstTold(told: Map<string, string>, filesystems: readonly GuestFilesystem[]): GuestFilesystem[] {
  for (const { mountpoint, fstype } of filesystems) {
    if (!told.has(mountpoint) && told.size < MAX_MOUNTPOINTS) told.set(mountpoint, fstype);
  }
  return filesystems.flatMap((filesystem) => {
    const fstype = told.get(filesystem.mountpoint);
    return fstype === undefined ? [] : [{ ...filesystem, fstype }];
  });
}

function isProbeError(reason: UnavailableReason): reason is UnavailableReason & ProbeError {
  return PROBE_ERRORS.some((error) => error === reason);
}

function probeTimes(begun: number): GuestView['lastProbe'] {
  return { completedSeconds: Date.now() / 1000, durationSeconds: (performance.now() - begun) / 1000 };
}
