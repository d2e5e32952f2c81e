import type { GuestState } from './guest-state.ts';

/** A guest whose probe took longer counts as a silent one when places are given out. */
const SLOW_MS = 5_000;
/**
 * One good answer does not make a silent guest a good one: those that are silent every other time, or every tenth,
 * would take all places at once again and again.
 */
const PROBATION_PROBES = 10;
/** So does one whose probe has been running for this long. */
const SLOW_SO_FAR_MS = 1_000;
/** What a guest that was never asked is expected to take: one that is silent takes five seconds. */
const UNKNOWN_MS = 3_000;
/** Differences below this are no reason to prefer one guest to another. */
const SHORTEST_MS = 100;

/** A place that a probe holds. */
export interface TakenPlace {
  readonly suspect: boolean;
  /** performance.now() milliseconds. */
  readonly begun: number;
}

/**
 * Which of the guests that are due is given a place now: the one whose waiting weighs most against the time that its
 * probe is expected to take ("highest response ratio next"). Those that answer soon come first, and as waiting counts
 * without end, nobody waits for ever. Of the ones never asked, all due at once after a start, those whose processors
 * work are the likelier to answer: a guest that hangs in its firmware or has halted uses none.
 *
 * One of several places stays free for guests that answer, and soon.
 */
export function pickNext(
  due: Iterable<GuestState>,
  taken: readonly TakenPlace[],
  places: number,
  now: number,
): GuestState | undefined {
  if (taken.length >= places) return undefined;
  const slow = taken.filter(({ suspect, begun }) => suspect || now - begun > SLOW_SO_FAR_MS);
  const suspectsToo = slow.length < Math.max(1, places - 1);
  let best: GuestState | undefined;
  for (const state of due) {
    if (!suspectsToo && isSuspect(state)) continue;
    if (best === undefined || comesBefore(state, best, now)) best = state;
  }
  return best;
}

function comesBefore(a: GuestState, b: GuestState, now: number): boolean {
  const difference = ratio(a, now) - ratio(b, now) || expectedMs(b) - expectedMs(a) || busy(a) - busy(b);
  return difference > 0;
}

function ratio(state: GuestState, now: number): number {
  return (now - state.dueAt) / expectedMs(state);
}

function expectedMs({ tookMs }: GuestState): number {
  return tookMs === undefined ? UNKNOWN_MS : Math.max(SHORTEST_MS, tookMs);
}

function busy({ target }: GuestState): number {
  return target.busy ?? 0;
}

/** It did not answer lately, or took long, or was never asked: it may not take the last place. */
export function isSuspect({ view, probation }: GuestState): boolean {
  return view.agentUp !== true || probation > 0;
}

/** What a probe that has ended means for the places of the next ones. One that was put off proves nothing. */
export function recordReliability(state: GuestState, answered: boolean): void {
  if (state.failures > 0 || (state.tookMs ?? 0) > SLOW_MS) state.probation = PROBATION_PROBES;
  else if (answered) state.probation = Math.max(0, state.probation - 1);
}
