import type { GuestState, GuestView } from './guest-state.ts';

/** A guest whose last probe took longer counts as a silent one when places are given out. */
const SLOW_SECONDS = 5;
/** So does one whose probe has been running for this long. */
const SLOW_SO_FAR_MS = 1_000;

/** A place that a probe holds. */
export interface TakenPlace {
  readonly suspect: boolean;
  /** performance.now() milliseconds. */
  readonly begun: number;
}

/** The guests that are due, in the order in which they are given places; of equals the one that waited longest. */
export function byProspect(due: readonly GuestState[]): GuestState[] {
  return [...due].sort((a, b) => prospect(a) - prospect(b) || a.dueAt - b.dueAt || busy(b) - busy(a));
}

/** Whether a guest may be asked now. One of several places stays free for guests that answer, and soon. */
export function hasPlaceFor(
  { view }: GuestState,
  taken: readonly TakenPlace[],
  places: number,
  now: number,
): boolean {
  if (taken.length >= places) return false;
  const slow = taken.filter(({ suspect, begun }) => suspect || now - begun > SLOW_SO_FAR_MS);
  return !isSuspect(view) || slow.length < Math.max(1, places - 1);
}

/**
 * Those that answered come first, then those that were never asked, then those that failed. Of the ones never
 * asked, all due at once after a start, those whose processors work are the likelier to answer: a guest that hangs
 * in its firmware or has halted uses none.
 */
function prospect({ failures, view }: GuestState): number {
  if (view.agentUp === true && failures === 0) return 0;
  return view.lastProbe === undefined && failures === 0 ? 1 : 2;
}

function busy({ target }: GuestState): number {
  return target.busy ?? 0;
}

/** It did not answer the last time, or took long: it may not take the last place. */
export function isSuspect({ agentUp, lastProbe }: GuestView): boolean {
  return agentUp !== true || (lastProbe?.durationSeconds ?? 0) > SLOW_SECONDS;
}
