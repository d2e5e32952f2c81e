import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { busyGuest } from '../../testbed/busy-guest.ts';
import { cleanUp } from '../../testbed/clean-up.ts';
import { runGuest } from '../../testbed/domains.ts';
import { type ExporterProcess, startExporterProcess } from '../../testbed/exporter-process.ts';
import { startFleet } from '../../testbed/fleet.ts';
import { waitFor } from '../../testbed/wait.ts';

const PREFIX = 'rig-test-busy-';
const IDLE = 50;
const BUSY = 10;
const LOAD = 10;
const SCRAPES = 8;
const SET_UP_MS = 300_000;

let exporter: ExporterProcess;

beforeAll(async () => {
  await startFleet(IDLE, { prefix: PREFIX });
  for (let index = 0; index < BUSY; index++) await runGuest(busyGuest(`${PREFIX}spin-${index}`));
  exporter = await startExporterProcess(`--domain.include=${PREFIX}.*`);
}, SET_UP_MS);

afterAll(async () => {
  await exporter?.stop();
  await cleanUp(PREFIX);
}, SET_UP_MS);

test(
  'on a host that real guests load to ten, at least 99 of 100 readings of domains are complete',
  async () => {
    await waitFor(async () => (loadavg()[0] ?? 0) >= LOAD || undefined, {
      what: `a load of ${LOAD}`,
      timeoutMs: SET_UP_MS,
      everyMs: 1_000,
    });
    let complete = 0;
    let all = 0;
    for (let scrape = 0; scrape < SCRAPES; scrape++) {
      const seen = await exporter.scrape({ 'X-Prometheus-Scrape-Timeout-Seconds': '10' });
      expect(seen.value('libvirt_up')).toBe(1);
      const successes = seen.all('libvirt_domain_scrape_success');
      expect(successes).toHaveLength(IDLE + BUSY);
      complete += successes.filter(({ value }) => value === 1).length;
      all += successes.length;
      // The interval of a Prometheus that scrapes often: the guests work on meanwhile.
      await sleep(2_000);
    }
    expect(complete / all).toBeGreaterThanOrEqual(0.99);
    expect(exporter.log.filter(({ level }) => level === 'warn')).toEqual([]);
  },
  SET_UP_MS,
);
