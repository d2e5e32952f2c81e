/** Time for what waits for the daemon; tests replace it by one that they move themselves. */
export interface Clock {
  /** Milliseconds since some fixed moment. */
  readonly now: () => number;
  /** Calls `work` once after `ms`; returns what cancels that. Does not keep the process alive. */
  readonly after: (ms: number, work: () => void) => () => void;
}

export const SYSTEM_CLOCK: Clock = {
  now: () => performance.now(),
  after: (ms, work) => {
    const timer = setTimeout(work, ms).unref();
    return () => clearTimeout(timer);
  },
};
