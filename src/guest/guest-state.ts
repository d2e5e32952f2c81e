import type { DomainRef } from '../libvirt/types.ts';
import type { GuestSample } from './guest-sample.ts';
import type { MonotonicState } from './monotonic.ts';
import type { StaticGuestInfo } from './probe.ts';
import type { GuestFilesystem } from './replies.ts';
import {
  GUEST_FAMILIES,
  type GuestFamily,
  type ProbeError,
  type UnavailableReason,
} from './unavailable-reason.ts';

/** A running domain that may be asked. */
export interface GuestTarget extends DomainRef {
  /** State of the agent's channel; undefined when none is configured. */
  readonly agentChannel: 'connected' | 'disconnected' | undefined;
  /** Its owner does not want it to be asked. */
  readonly optedOut: boolean;
  /** Share of one processor that its process has used since its start; undefined when the host does not tell. */
  readonly busy: number | undefined;
}

/** What is served of a guest. */
export interface GuestView {
  /** Whether the last probe got answers; undefined when no channel is configured or none was made yet. */
  readonly agentUp: boolean | undefined;
  readonly reading: GuestSample | undefined;
  readonly filesystems: readonly GuestFilesystem[];
  readonly missing: ReadonlyMap<GuestFamily, UnavailableReason>;
  /** The last probe that ended, with or without answers; one that was put off is none. */
  readonly lastProbe: { readonly completedSeconds: number; readonly durationSeconds: number } | undefined;
  readonly errors: ReadonlyMap<ProbeError, number>;
}

/** What is remembered of a guest between its probes. */
export interface GuestState {
  target: GuestTarget;
  view: GuestView;
  lasting: StaticGuestInfo | undefined;
  /** Probes since `lasting` was read. */
  lastingAge: number;
  counters: MonotonicState | undefined;
  /** libvirt told of a reboot, or of another agent, since the last reading began. */
  mayHaveBooted: boolean;
  /** File handles that the agent may still have open for us. */
  readonly unclosed: Set<number>;
  /** Failed probes in a row. */
  failures: number;
  /** Probes in a row that were put off, by a backup for example. */
  putOffs: number;
  /** How many more probes it has to answer, and soon, until it counts as a guest that does. */
  probation: number;
  /** How long the last probe took; undefined before the first one, and of an agent that came since. */
  tookMs: number | undefined;
  /** performance.now() milliseconds at which the next probe is due. */
  dueAt: number;
  /** performance.now() milliseconds of the last reading. */
  readAt: number;
  probing: boolean;
  /** Something happened to the guest during this probe: the next one is due at once. */
  kicked: boolean;
  /** The next probe was brought forward by an event. */
  expedited: boolean;
  /** Why it cannot be asked now. */
  aside: UnavailableReason | undefined;
  /** performance.now() milliseconds until which another event does not bring a probe forward. */
  rateLimitedUntil: number;
  /** The first mount points of this run with their first types, so that a guest cannot name ever new ones. */
  readonly mountpoints: Map<string, string>;
  /** What went wrong in the exporter itself the last time, which is logged once. */
  fault: string | undefined;
  /** What libvirt said when it last refused access to the guest, which is logged once. */
  refusal: string | undefined;
  /** Why the last probe was put off, when a backup was at work. */
  putOff: UnavailableReason | undefined;
}

export const NO_GUEST_VIEW: GuestView = {
  agentUp: undefined,
  reading: undefined,
  filesystems: [],
  missing: new Map(),
  lastProbe: undefined,
  errors: new Map(),
};

export function allUnavailable(reason: UnavailableReason): ReadonlyMap<GuestFamily, UnavailableReason> {
  return new Map(GUEST_FAMILIES.map((family) => [family, reason]));
}

/** A guest whose run has just been seen; of its run before, what is counted or told once stays. */
export function newGuestState(
  target: GuestTarget,
  before: GuestState | undefined,
  dueAt: number,
): GuestState {
  return {
    target,
    view: {
      ...NO_GUEST_VIEW,
      missing: allUnavailable('busy'),
      errors: before?.view.errors ?? NO_GUEST_VIEW.errors,
    },
    lasting: undefined,
    lastingAge: 0,
    counters: undefined,
    mayHaveBooted: false,
    unclosed: new Set(),
    failures: 0,
    putOffs: 0,
    probation: 0,
    tookMs: undefined,
    rateLimitedUntil: Number.NEGATIVE_INFINITY,
    mountpoints: new Map(),
    fault: undefined,
    refusal: before?.refusal,
    dueAt,
    readAt: Number.NEGATIVE_INFINITY,
    probing: false,
    kicked: false,
    expedited: false,
    aside: undefined,
    putOff: undefined,
  };
}

/** Adds one to each of the errors. */
export function countErrors(
  counts: ReadonlyMap<ProbeError, number>,
  errors: Iterable<ProbeError>,
): ReadonlyMap<ProbeError, number> {
  const sums = new Map(counts);
  for (const error of errors) sums.set(error, (sums.get(error) ?? 0) + 1);
  return sums;
}
