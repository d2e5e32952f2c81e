import { setTimeout as sleep } from 'node:timers/promises';

interface WaitOptions {
  readonly what: string;
  readonly timeoutMs: number;
  readonly everyMs?: number;
  /** Called when time is up; its text is added to the error. */
  readonly explain?: () => Promise<string>;
  /** Ends the wait with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Calls `probe` until it returns something other than undefined. Rejects with what it waited for when time is up. */
export async function waitFor<T>(probe: () => Promise<T | undefined>, options: WaitOptions): Promise<T> {
  const deadline = performance.now() + options.timeoutMs;
  for (;;) {
    options.signal?.throwIfAborted();
    const result = await probe();
    if (result !== undefined) return result;
    if (performance.now() >= deadline) break;
    await sleep(options.everyMs ?? 200, undefined, options.signal && { signal: options.signal });
  }
  const more = options.explain === undefined ? '' : `\n${await options.explain()}`;
  throw new Error(`${options.what}: not within ${options.timeoutMs} ms${more}`);
}
