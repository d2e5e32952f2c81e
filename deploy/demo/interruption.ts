import type { EventEmitter } from 'node:events';

/** Ctrl-C, or SIGTERM. */
export interface Interruption {
  /** Aborted by the first one. */
  readonly signal: AbortSignal;
  /**
   * Does work that must be done, again where one came in between: the terminal sends Ctrl-C to the programs that the work
   * has called as well, and ends them.
   */
  readonly insist: (work: () => Promise<unknown>) => Promise<void>;
}

/** Takes every signal to end from now on: the first is passed on, the others are answered with a word. */
export function onInterruption(
  say: (text: string) => void,
  source: Pick<EventEmitter, 'on'> = process,
): Interruption {
  const controller = new AbortController();
  let count = 0;
  const note = (): void => {
    count += 1;
    say(count === 1 ? '\nEnding' : 'What the demo started is being removed; it ends by itself then');
    controller.abort();
  };
  for (const name of ['SIGINT', 'SIGTERM']) source.on(name, note);
  return {
    signal: controller.signal,
    insist: async (work) => {
      for (;;) {
        const before = count;
        try {
          await work();
          return;
        } catch (error) {
          if (count === before) throw error;
        }
      }
    },
  };
}

/** A phase that ends with the signal: what fails once it is given has not failed. */
export async function untilEnding(signal: AbortSignal, phase: () => Promise<unknown>): Promise<void> {
  try {
    signal.throwIfAborted();
    await phase();
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
