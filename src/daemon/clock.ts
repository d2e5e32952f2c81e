/** The clock of src/daemon and src/stats. Tests use a clock that they advance. */
export interface Clock {
  /** Milliseconds since some fixed moment. */
  readonly now: () => number;
  /** Calls `work` once after `ms` and returns a function that cancels the call. Does not keep the process alive. */
  readonly after: (ms: number, work: () => void) => () => void;
}

export const SYSTEM_CLOCK: Clock = {
  now: () => performance.now(),
  after: (ms, work) => {
    const timer = setTimeout(work, ms).unref();
    return () => clearTimeout(timer);
  },
};

export function sleep(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(ms, resolve);
  });
}

/**
 * Waits for `promise` until `deadline`, in the clock's milliseconds; returns whether it settled in time. A rejection counts as
 * settled.
 */
export function settledBy(clock: Clock, deadline: number, promise: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve) => {
    const cancel = clock.after(Math.max(0, deadline - clock.now()), () => resolve(false));
    const settled = (): void => {
      cancel();
      resolve(true);
    };
    promise.then(settled, settled);
  });
}
