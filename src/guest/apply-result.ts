/** What the end of a probe changes in the state of its guest. */

import { allUnavailable, type GuestState, type GuestView } from './guest-state.ts';
import { advance } from './monotonic.ts';
import { isCacheable, type ProbeResult } from './probe.ts';
import type { ProbeEnding } from './probe-schedule.ts';
import type { GuestFilesystem } from './replies.ts';
import { isPassing, PROBE_ERRORS, type ProbeError, type UnavailableReason } from './unavailable-reason.ts';

const MAX_MOUNTPOINTS = 64;

export interface ProbeTimes {
  /** Milliseconds of the prober's clock. */
  readonly startedAt: number;
  readonly endedAt: number;
  /** Unix time of the end. */
  readonly completedSeconds: number;
}

/** The guest answered. `mayHaveBooted`: between its last sample and the start of this probe. */
export function applyResult(
  state: GuestState,
  { sample, staticInfo, filesystems, missing, stoppedAnswering }: ProbeResult,
  times: ProbeTimes,
  mayHaveBooted: boolean,
): ProbeEnding {
  const {
    cpu,
    pressure,
    regressed,
    state: monotonic,
  } = advance(state.counters.monotonic, {
    sampledAt: times.endedAt,
    domainRunId: String(state.target.id),
    bootTimeSeconds: sample.bootTimeSeconds,
    mayHaveBooted,
    cpus: state.target.vcpus,
    cpu: sample.cpu,
    pressure: sample.pressure,
  });
  const errors = new Set<ProbeError>([...missing.values()].filter(isProbeError));
  if (stoppedAnswering) errors.add('agent_silent');
  if (regressed.length > 0) errors.add('counter_regressed');
  state.counters = { ...state.counters, monotonic };
  state.staticInfo = { ...state.staticInfo, value: isCacheable(staticInfo) ? staticInfo : undefined };
  state.logged = { crash: undefined, refusal: undefined };
  state.mountpoints = withFirstTypes(state.mountpoints, filesystems);
  state.served = {
    view: {
      agentUp: true,
      sample: { ...sample, cpu, pressure },
      filesystems: knownFilesystems(state.mountpoints, filesystems),
      missing,
      lastProbe: lastProbe(times),
      errors: countErrors(state.served.view.errors, errors),
    },
    sampledAt: times.endedAt,
    unanswered: undefined,
  };
  return stoppedAnswering ? 'partial' : 'complete';
}

/** The probe ended without a usable answer. */
export function applyFailure(state: GuestState, reason: UnavailableReason, times: ProbeTimes): ProbeEnding {
  const { served } = state;
  const errors = countErrors(served.view.errors, isProbeError(reason) ? [reason] : []);
  if (isPassing(reason)) {
    // A backup holds the agent: its last sample is served until that is stale.
    const view =
      served.view.sample === undefined
        ? { ...served.view, agentUp: false, missing: allUnavailable(reason), errors }
        : { ...served.view, errors };
    state.served = { ...served, view, unanswered: reason };
    return 'postponed';
  }
  state.staticInfo = { ...state.staticInfo, value: undefined };
  state.served = {
    ...served,
    view: {
      agentUp: false,
      sample: undefined,
      filesystems: [],
      missing: allUnavailable(reason),
      lastProbe: lastProbe(times),
      errors,
    },
  };
  return 'failed';
}

/** The exporter itself failed: the last sample is served until it is stale. */
export function applyCrash(state: GuestState): ProbeEnding {
  state.served = { ...state.served, unanswered: state.served.unanswered ?? 'busy' };
  return 'crashed';
}

/** Adds one to each of the errors. */
function countErrors(
  counts: ReadonlyMap<ProbeError, number>,
  errors: Iterable<ProbeError>,
): ReadonlyMap<ProbeError, number> {
  const sums = new Map(counts);
  for (const error of errors) sums.set(error, (sums.get(error) ?? 0) + 1);
  return sums;
}

/** The mount points with their first types, and the new ones among `filesystems` as far as there is room. */
function withFirstTypes(
  known: ReadonlyMap<string, string>,
  filesystems: readonly GuestFilesystem[],
): ReadonlyMap<string, string> {
  const types = new Map(known);
  for (const { mountpoint, fstype } of filesystems) {
    if (!types.has(mountpoint) && types.size < MAX_MOUNTPOINTS) types.set(mountpoint, fstype);
  }
  return types;
}

function knownFilesystems(
  types: ReadonlyMap<string, string>,
  filesystems: readonly GuestFilesystem[],
): GuestFilesystem[] {
  return filesystems.flatMap((filesystem) => {
    const fstype = types.get(filesystem.mountpoint);
    return fstype === undefined ? [] : [{ ...filesystem, fstype }];
  });
}

function isProbeError(reason: UnavailableReason): reason is UnavailableReason & ProbeError {
  return PROBE_ERRORS.some((error) => error === reason);
}

function lastProbe({ startedAt, endedAt, completedSeconds }: ProbeTimes): GuestView['lastProbe'] {
  return { completedSeconds, durationSeconds: (endedAt - startedAt) / 1000 };
}
