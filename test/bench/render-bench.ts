import { monitorEventLoopDelay } from 'node:perf_hooks';
import { pino } from 'pino';
import { COLLECTORS } from '../../src/collectors/all.ts';
import { Scraper } from '../../src/metrics/scraper.ts';
import { type ChunkPool, TextBuffer } from '../../src/metrics/text-buffer.ts';
import type { Snapshot } from '../../src/snapshot/snapshot.ts';
import { FIXED_INVENTORY } from '../unit/collectors/fixed-inventory.ts';

const RUNS = 10;

export interface RenderMeasurement {
  readonly domains: number;
  readonly megabytes: number;
  readonly medianMs: number;
  /** The longest that the event loop had to wait while metrics were made and written. */
  readonly longestBlockMs: number;
}

/** Renders `count` domains that have a value for nearly everything; what is gathered is not part of it. */
export async function measureRendering(count: number): Promise<RenderMeasurement> {
  const [template] = FIXED_INVENTORY.domains;
  if (template === undefined) throw new Error('the fixed inventory is empty');
  const snapshot: Snapshot = {
    ...FIXED_INVENTORY,
    domains: Array.from({ length: count }, (_, index) => ({ ...template, name: `vm-${index}` })),
  };
  const scraper = new Scraper({
    collectors: COLLECTORS,
    takeSnapshot: async () => snapshot,
    log: pino({ enabled: false }),
  });
  const pool: ChunkPool = [];
  const durations: number[] = [];
  let bytes = 0;
  const delay = monitorEventLoopDelay({ resolution: 1 });
  for (let run = 0; run < RUNS; run++) {
    // The first run compiles what the others use.
    if (run === 1) delay.enable();
    const out = new TextBuffer(pool);
    const begun = performance.now();
    await scraper.scrape(out, {
      timeoutMs: 60_000,
      format: 'text',
      selects: () => true,
      signal: new AbortController().signal,
    });
    durations.push(performance.now() - begun);
    bytes = out.finish().reduce((sum, { length }) => sum + length, 0);
    out.release();
  }
  delay.disable();
  durations.sort((a, b) => a - b);
  return {
    domains: count,
    megabytes: bytes / 1e6,
    medianMs: durations[RUNS >> 1] ?? Number.NaN,
    longestBlockMs: delay.max / 1e6,
  };
}
