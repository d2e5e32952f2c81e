/** How many steps the demo has. The first is scripts/bootstrap.mjs, before there is any package. */
export const DEMO_STEPS = 7;

export interface Steps {
  /** Prints the line of the next step. */
  readonly begin: (text: string) => void;
  /** Prints a line below the current step's. */
  readonly note: (text: string) => void;
  /** Which step failed, and when. */
  readonly failure: () => string;
}

export interface StepOptions {
  readonly total: number;
  /** How many steps other programs have printed. */
  readonly done: number;
  /** When the run began, in Unix seconds. */
  readonly startedAt: number;
  readonly print: (text: string) => void;
  /** Unix seconds. */
  readonly now?: () => number;
}

/**
 * Numbered steps with the time since the start of the run, such as `[3/7  12 s] starting three guests`: plain lines, also
 * for a file.
 */
export function createSteps({ total, done, startedAt, print, now = unixSeconds }: StepOptions): Steps {
  let current = done;
  const elapsed = (): number => Math.max(0, Math.floor(now() - startedAt));
  return {
    begin: (text) => {
      current += 1;
      print(`[${current}/${total} ${String(elapsed()).padStart(3)} s] ${text}`);
    },
    note: (text) => print(`${' '.repeat(12)}${text}`),
    failure: () => `step ${current} of ${total} failed after ${elapsed()} s`,
  };
}

const unixSeconds = (): number => Date.now() / 1000;
