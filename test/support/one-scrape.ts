import { pino } from 'pino';
import { COLLECTORS } from '../../src/collectors/all.ts';
import { buildInfo } from '../../src/collectors/build-info.ts';
import { writeFamily } from '../../src/metrics/exposition.ts';
import { Scraper } from '../../src/metrics/scraper.ts';
import { createSelfMetrics } from '../../src/metrics/self-metrics.ts';
import { TextBuffer } from '../../src/metrics/text-buffer.ts';
import type { Snapshot } from '../../src/snapshot/snapshot.ts';

/** All that the exporter serves in one scrape of these snapshot, every collector enabled. */
export async function oneScrape(takeSnapshot: () => Promise<Snapshot>): Promise<string> {
  const out = new TextBuffer([]);
  await new Scraper({ collectors: COLLECTORS, takeSnapshot, log: pino({ enabled: false }) }).scrape(out, {
    timeoutMs: 10_000,
    format: 'text',
    selects: () => true,
    signal: new AbortController().signal,
  });
  const self = createSelfMetrics();
  self.countCall('CONNECT_GET_ALL_DOMAIN_STATS');
  self.countDisconnect();
  const families = [buildInfo({ version: '1.2.3', revision: '' }), ...(await self.families())];
  for (const family of families) writeFamily(out, family);
  return Buffer.concat(out.finish()).toString();
}
