import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { busyGuest } from '../../testbed/busy-guest.ts';
import { runGuest } from '../../testbed/domains.ts';
import { Exposition } from '../../testbed/exposition.ts';
import { waitFor } from '../../testbed/wait.ts';
import type { Contender } from './contenders.ts';

const BUSY_GUESTS = 14;
const LOAD = 10;
const SCRAPES = 8;
/** A common interval of Prometheus. */
const INTERVAL_MS = 15_000;
const LOAD_WITHIN_MS = 300_000;

export interface BusyMeasurement {
  readonly load: number;
  /** Share of all readings of domains that were whole, 0 to 1. */
  readonly complete: number;
}

/** Scrapes every 15 s while real guests load the host to ten. */
export async function measureBusy({ run }: Contender, prefix: string): Promise<BusyMeasurement> {
  for (let guest = 0; guest < BUSY_GUESTS; guest++) await runGuest(busyGuest(`${prefix}busy-${guest}`));
  await waitFor(async () => (loadavg()[0] ?? 0) >= LOAD || undefined, {
    what: `a load of ${LOAD}`,
    timeoutMs: LOAD_WITHIN_MS,
    everyMs: 1_000,
  });
  let whole = 0;
  let all = 0;
  for (let scrape = 0; scrape < SCRAPES; scrape++) {
    const successes = new Exposition(await run()).all('libvirt_domain_scrape_success');
    whole += successes.filter(({ value }) => value === 1).length;
    all += successes.length;
    await sleep(INTERVAL_MS);
  }
  return { load: loadavg()[0] ?? Number.NaN, complete: whole / all };
}
