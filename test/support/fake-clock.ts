import type { Clock } from '../../src/daemon/clock.ts';

export interface FakeClock extends Clock {
  /** Moves time on, timer after timer in the order they are due; what one of them begins runs before the next. */
  readonly advance: (ms: number) => Promise<void>;
  /** Timers that are due at some time. */
  readonly timers: () => number;
}

interface Timer {
  readonly at: number;
  readonly work: () => void;
}

/** Time that passes only when a test says so. */
export function fakeClock(): FakeClock {
  let now = 0;
  const timers = new Set<Timer>();
  const firstUntil = (until: number): Timer | undefined =>
    [...timers].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
  return {
    now: () => now,
    after: (ms, work) => {
      const timer = { at: now + ms, work };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    advance: async (ms) => {
      const until = now + ms;
      await settle();
      for (let timer = firstUntil(until); timer !== undefined; timer = firstUntil(until)) {
        timers.delete(timer);
        now = timer.at;
        timer.work();
        await settle();
      }
      now = until;
    },
    timers: () => timers.size,
  };
}

/** Lets everything run that is due now: promises, and what they put off until the next turn of the event loop. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Turns of the event loop without a frame after which everything that was due has happened. */
const QUIET_TURNS = 6;

/** As {@link settle}, where real sockets are used: until no more frames arrive. `frames` counts them. */
export async function settleFrames(frames: () => number): Promise<void> {
  let seen = frames();
  for (let quiet = 0; quiet < QUIET_TURNS; quiet++) {
    await new Promise((resolve) => setImmediate(resolve));
    if (frames() !== seen) quiet = 0;
    seen = frames();
  }
}

/** Time moves on by this much when nothing is left that is due. */
const STEP_MS = 25;

/** Moves time on until the promise settles. Where real sockets are used, `frames` counts the frames that have arrived. */
export async function advanceUntil<T>(
  promise: Promise<T>,
  clock: FakeClock,
  frames: () => number = () => 0,
): Promise<T> {
  let isOver = false;
  const note = (): void => {
    isOver = true;
  };
  promise.then(note, note);
  await settleFrames(frames);
  while (!isOver) {
    await clock.advance(STEP_MS);
    await settleFrames(frames);
  }
  return promise;
}

/** Whether a promise has settled once all that is due has run. */
export async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const note = (): void => {
    settled = true;
  };
  promise.then(note, note);
  await settle();
  return settled;
}
