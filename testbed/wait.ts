import { setTimeout as sleep } from 'node:timers/promises';

export interface WaitOptions {
  readonly what: string;
  readonly timeoutMs: number;
  readonly everyMs?: number;
  /** Called when time is up, to say more than that. */
  readonly explain?: () => Promise<string>;
  /** Ends the wait with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Asks until `probe` gives something other than undefined; a bounded wait that says what it waited for. */
export async function waitFor<T>(probe: () => Promise<T | undefined>, options: WaitOptions): Promise<T> {
  const deadline = performance.now() + options.timeoutMs;
  for (;;) {
    options.signal?.throwIfAborted();
    const answer = await probe();
    if (answer !== undefined) return answer;
    if (performance.now() >= deadline) break;
    await sleep(options.everyMs ?? 200, undefined, options.signal && { signal: options.signal });
  }
  const more = options.explain === undefined ? '' : `\n${await options.explain()}`;
  throw new Error(`${options.what}: not within ${options.timeoutMs} ms${more}`);
}
