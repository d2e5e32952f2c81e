import type { DomainRef } from '../libvirt/types.ts';
import type { GuestFile } from './commands.ts';
import type { GuestSample } from './guest-sample.ts';
import type { MonotonicState } from './monotonic.ts';
import type { StaticGuestInfo } from './probe.ts';
import { newProbeState, type ProbeState } from './probe-state.ts';
import type { GuestFilesystem } from './replies.ts';
import {
  GUEST_FAMILIES,
  type GuestFamily,
  type ProbeError,
  type UnavailableReason,
} from './unavailable-reason.ts';

/** A running domain whose guest may be probed. */
export interface GuestTarget extends DomainRef {
  /** State of the agent's channel; undefined when none is configured. */
  readonly agentChannel: 'connected' | 'disconnected' | undefined;
  /** The domain's metadata says that its guest must not be probed. */
  readonly optedOut: boolean;
  /** The domain's QEMU does not respond: its agent is not probed. */
  readonly unresponsive: boolean;
  /** The maximum number of vCPUs; undefined when unknown. */
  readonly vcpus?: number | undefined;
  /** Share of one processor that the domain has used since its start; undefined when unknown. */
  readonly cpuShare: number | undefined;
}

/** What is served of a guest. */
export interface GuestView {
  /** Whether the last probe got answers; undefined when no channel is configured or no probe has ended yet. */
  readonly agentUp: boolean | undefined;
  readonly sample: GuestSample | undefined;
  readonly filesystems: readonly GuestFilesystem[];
  /** Why each family without data has none. */
  readonly missing: ReadonlyMap<GuestFamily, UnavailableReason>;
  /** The last probe that completed or failed; a postponed one does not count. */
  readonly lastProbe: { readonly completedSeconds: number; readonly durationSeconds: number } | undefined;
  readonly errors: ReadonlyMap<ProbeError, number>;
}

/** What the prober keeps of one run of a domain, by subject; each part is replaced as a whole. */
export interface GuestState {
  target: GuestTarget;
  probe: ProbeState;
  served: ServedView;
  staticInfo: CachedStaticInfo;
  counters: GuestCounters;
  logged: LoggedErrors;
  /** Mount points of this run with their first types: a bound on the series that one guest can create. */
  mountpoints: ReadonlyMap<string, string>;
  /** Files that the agent could not open in this run: they are not tried again until the guest reboots. */
  readonly unreadable: Map<GuestFile, UnavailableReason>;
  /** File handles that the agent may still hold open for the exporter. */
  readonly unclosed: Set<number>;
}

/** The view after the last probe, and what decides for how long it is served. */
export interface ServedView {
  readonly view: GuestView;
  /** When the sample of `view` was taken, in milliseconds of the prober's clock. */
  readonly sampledAt: number;
  /** Why the probes since then brought no newer sample; undefined when none of them says anything of the guest. */
  readonly unanswered: UnavailableReason | undefined;
}

/** What changes seldom, and is fetched again after some probes. */
interface CachedStaticInfo {
  readonly value: StaticGuestInfo | undefined;
  /** Probes since the value was fetched, that one included. */
  readonly probes: number;
}

interface GuestCounters {
  readonly monotonic: MonotonicState | undefined;
  /** libvirt reported a reboot, or another agent, since the last sample. */
  readonly mayHaveBooted: boolean;
}

/** Messages that were logged and are not logged again while they stay the same. */
interface LoggedErrors {
  /** The exporter's own error. */
  readonly crash: string | undefined;
  /** libvirt's refusal of access to the guest. */
  readonly refusal: string | undefined;
}

export const NO_GUEST_VIEW: GuestView = {
  agentUp: undefined,
  sample: undefined,
  filesystems: [],
  missing: new Map(),
  lastProbe: undefined,
  errors: new Map(),
};

export function allUnavailable(reason: UnavailableReason): ReadonlyMap<GuestFamily, UnavailableReason> {
  return new Map(GUEST_FAMILIES.map((family) => [family, reason]));
}

/**
 * The state of a run that has just appeared. The error counts and the logged refusal of the domain's former run,
 * `before`, stay.
 */
export function newGuestState(
  target: GuestTarget,
  before: GuestState | undefined,
  dueAt: number,
): GuestState {
  const errors = before?.served.view.errors ?? NO_GUEST_VIEW.errors;
  return {
    target,
    probe: newProbeState(dueAt),
    served: {
      view: { ...NO_GUEST_VIEW, missing: allUnavailable('busy'), errors },
      sampledAt: Number.NEGATIVE_INFINITY,
      unanswered: undefined,
    },
    staticInfo: { value: undefined, probes: 0 },
    counters: { monotonic: undefined, mayHaveBooted: false },
    logged: { crash: undefined, refusal: before?.logged.refusal },
    mountpoints: new Map(),
    unreadable: new Map(),
    unclosed: new Set(),
  };
}
