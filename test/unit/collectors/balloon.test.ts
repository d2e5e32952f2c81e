import { expect, jest, test } from '@jest/globals';
import { balloonCollector } from '../../../src/collectors/balloon.ts';
import { guestAgentCollector } from '../../../src/collectors/guest-agent.ts';
import { writeFamily } from '../../../src/metrics/exposition.ts';
import type { DomainSnapshot } from '../../../src/snapshot/snapshot.ts';
import { Exposition } from '../../../testbed/exposition.ts';
import { textOf } from '../metrics/text.ts';
import { FIXED_INVENTORY } from './fixed-inventory.ts';
import { measured, UPDATED } from './fixed-measurements.ts';

const RUNNING = 1;
const PAUSED = 3;

jest.spyOn(Date, 'now').mockReturnValue(UPDATED * 1000);

/** What is served of a domain with this period and last update of its balloon, both in seconds. */
function served(
  period: number | undefined,
  lastUpdate: number | undefined,
  state = RUNNING,
  complete = true,
) {
  const [base] = FIXED_INVENTORY.domains;
  if (base?.current === undefined) throw new Error('the fixed inventory has no domain');
  const domain: DomainSnapshot = {
    ...base,
    state,
    guest: undefined,
    current: { ...base.current, balloonPeriodSeconds: period },
    measured: measured(
      [
        ['balloon.current', 1_024],
        ['balloon.rss', 2_048],
        ['balloon.swap_in', 0],
        ...(lastUpdate === undefined ? [] : [['balloon.last-update', lastUpdate] as const]),
      ],
      { complete },
    ),
  };
  const snapshot = { ...FIXED_INVENTORY, domains: [domain] };
  const exposition = new Exposition(
    textOf((out) => {
      for (const collector of [balloonCollector, guestAgentCollector])
        for (const family of collector.collect(snapshot)) writeFamily(out, family);
    }),
  );
  return {
    missing: exposition.labels('libvirt_domain_guest_missing', { family: 'balloon' })?.reason,
    names: exposition.samples.map(({ name }) => name).filter((name) => name.includes('balloon')),
  };
}

test.each<[string, number | undefined, number | undefined, number, string | undefined]>([
  ['it reports in time', 10, UPDATED - 60, RUNNING, undefined],
  ['there is none', undefined, undefined, RUNNING, 'unsupported'],
  ['it has no period', 0, UPDATED - 3_600, RUNNING, 'balloon_period_off'],
  ['it keeps no statistics', 10, undefined, RUNNING, 'unsupported'],
  ['its driver has not reported yet', 10, 0, RUNNING, 'agent_silent'],
  ['its driver had not reported before a pause', 10, 0, PAUSED, 'agent_silent'],
  ['its driver stopped reporting', 10, UPDATED - 61, RUNNING, 'agent_silent'],
  ['its period is long', 60, UPDATED - 180, RUNNING, undefined],
  ['its driver has not reported for three long periods', 60, UPDATED - 181, RUNNING, 'agent_silent'],
  ['the domain is paused, and its timer with it', 10, UPDATED - 3_600, PAUSED, undefined],
])('%s', (_case, period, lastUpdate, state, reason) => {
  expect(served(period, lastUpdate, state).missing).toBe(reason);
});

test('a domain that could not be read is busy, not silent', () => {
  expect(served(10, 0, RUNNING, false).missing).toBe('busy');
});

test('until the driver has reported, only values of the host are served', () => {
  expect(served(10, 0).names).toEqual([
    'libvirt_domain_balloon_current_bytes',
    'libvirt_domain_balloon_rss_bytes',
  ]);
  expect(served(10, UPDATED).names).toEqual([
    'libvirt_domain_balloon_current_bytes',
    'libvirt_domain_balloon_rss_bytes',
    'libvirt_domain_balloon_swap_in_bytes_total',
    'libvirt_domain_balloon_last_update_timestamp_seconds',
  ]);
});
