import type { EventEmitter } from 'node:events';

/** Ctrl-C (SIGINT), or SIGTERM. */
interface Interruption {
  /** Aborted by the first SIGINT or SIGTERM. */
  readonly signal: AbortSignal;
  /**
   * Runs the work, and runs it again when it failed and a signal came meanwhile: the terminal sends Ctrl-C to the
   * programs that the work has started as well, and ends them.
   */
  readonly insist: (work: () => Promise<unknown>) => Promise<void>;
}

/** npm forwards the Ctrl-C that the terminal has sent to the whole process group: one Ctrl-C arrives twice. */
const SAME_CTRL_C_MS = 500;

/** Handles every SIGINT and SIGTERM from now on: the first aborts the signal, later ones only print a line. */
export function onInterruption(
  say: (text: string) => void,
  source: Pick<EventEmitter, 'on'> = process,
  now: () => number = () => performance.now(),
): Interruption {
  const controller = new AbortController();
  let count = 0;
  let last = Number.NEGATIVE_INFINITY;
  const note = (): void => {
    count += 1;
    if (count === 1) say('\nEnding');
    else if (now() - last > SAME_CTRL_C_MS)
      say('Still removing what the demo started; the demo ends afterwards');
    last = now();
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

/** Runs a phase unless the signal is aborted, and ignores the phase's failure when the signal is aborted by then. */
export async function untilEnding(signal: AbortSignal, phase: () => Promise<unknown>): Promise<void> {
  try {
    signal.throwIfAborted();
    await phase();
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
