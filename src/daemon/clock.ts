/** The clock of src/daemon. Tests use a clock that they advance. */
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
