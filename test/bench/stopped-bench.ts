import { Exposition } from '../../testbed/exposition.ts';
import { continueQemu, stopQemu } from '../../testbed/qemu-process.ts';
import type { Contender } from './contenders.ts';
import { quantile } from './measure.ts';

/** One in this many QEMUs is stopped: a tenth, then a fifth. */
export const ONE_IN = [10, 5] as const;

export interface StoppedMeasurement {
  readonly stopped: number;
  /** Domains that were whole in the scrape with the fewest, while these were stopped. */
  readonly complete: number;
  readonly healthyMs: number;
  /** The scrape that meets the stopped ones. */
  readonly firstMs: number;
  /** The median of those after it. */
  readonly laterMs: number;
}

/** Times a contender's scrapes while all QEMUs of these domains respond, and while one in `oneIn` is stopped. */
export async function measureStopped(
  { run }: Contender,
  names: readonly string[],
  rounds: number,
  oneIn: number,
): Promise<StoppedMeasurement> {
  let complete = names.length;
  const timed = async (): Promise<number> => {
    const startedAt = performance.now();
    const text = await run();
    const tookMs = performance.now() - startedAt;
    const successes = new Exposition(text).all('libvirt_domain_scrape_success');
    complete = Math.min(complete, successes.filter(({ value }) => value === 1).length);
    return tookMs;
  };
  const median = async (): Promise<number> => {
    const durations: number[] = [];
    for (let round = 0; round < rounds; round++) durations.push(await timed());
    return quantile(durations, 0.5);
  };
  const healthyMs = await median();
  const stopped = names.filter((_, index) => index % oneIn === 3);
  try {
    for (const name of stopped) await stopQemu(name);
    const firstMs = await timed();
    return { stopped: stopped.length, healthyMs, firstMs, laterMs: await median(), complete };
  } finally {
    for (const name of stopped) await continueQemu(name);
  }
}
