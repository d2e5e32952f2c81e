import { Exposition } from '../../testbed/exposition.ts';
import { continueQemu, stopQemu } from '../../testbed/qemu-process.ts';
import type { Contender } from './contenders.ts';
import { quantile } from './measure.ts';

/** One in this many QEMUs is stopped. */
const ONE_IN = 10;
/** From twelve on the exporter goes carefully, and libvirtd has twenty workers (docs/decisions/0005). */
const MOST_STUCK = 10;

export interface StuckMeasurement {
  readonly stuck: number;
  /** How many domains were complete in the last scrape while these were stuck. */
  readonly complete: number;
  readonly healthyMs: number;
  /** The scrape that finds the stuck ones. */
  readonly firstMs: number;
  /** Those after it. */
  readonly stuckMs: number;
}

/** Times a contender's scrapes while all QEMUs of these domains answer, and while a tenth does not, ten at most. */
export async function measureStuck(
  { run }: Contender,
  names: readonly string[],
  rounds: number,
): Promise<StuckMeasurement> {
  let text = '';
  const timed = async (): Promise<number> => {
    const begun = performance.now();
    text = await run();
    return performance.now() - begun;
  };
  const median = async (): Promise<number> => {
    const durations: number[] = [];
    for (let round = 0; round < rounds; round++) durations.push(await timed());
    return quantile(durations, 0.5);
  };
  const healthyMs = await median();
  const stuck = names.filter((_, index) => index % ONE_IN === 3).slice(0, MOST_STUCK);
  try {
    for (const name of stuck) await stopQemu(name);
    const firstMs = await timed();
    const stuckMs = await median();
    const complete = new Exposition(text)
      .all('libvirt_domain_scrape_success')
      .filter(({ value }) => value === 1);
    return { stuck: stuck.length, complete: complete.length, healthyMs, firstMs, stuckMs };
  } finally {
    for (const name of stuck) await continueQemu(name);
  }
}
