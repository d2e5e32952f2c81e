import { describe, expect, test } from '@jest/globals';
import { type ExpectedSamples, ruleComplaints } from '../support/rule-test.ts';
import { guestSeries, type Phase } from '../support/simulated-guest.ts';
import { FAST_DISK, FIRING, FROZEN, guest, HEALTHY } from './slow-situations.ts';

/** Alerts on slow domains over time. Evaluations are a minute apart. */

const STEP = 60;
const TIMEOUT_MS = 180_000;
/** Domains whose alert names a cause. */
const NAMED = 'ALERTS{alertstate="firing", cause!=""}';

function trouble(name: string, minutes: number, different: Partial<Phase> = {}): Phase {
  const last = FIRING.find((each) => each.name === name)
    ?.phases(2)
    .at(-1);
  if (last === undefined) throw new Error(`no situation ${name}`);
  return { ...last, minutes, ...different };
}

/** The series of domains, and those of their host. */
function hostWith(
  domains: Readonly<Record<string, readonly Phase[]>>,
  instance = 'hv1:9177',
): Record<string, string> {
  const series = Object.entries(domains).map(([domain, phases]) =>
    guestSeries({ domain, phases, instance }, STEP),
  );
  return Object.assign({}, ...series);
}

/** How many alerts that name a cause fire for the domain, at least and at most, in the `minutes` before `minute`. */
function firing(
  domain: string,
  minute: number,
  minutes: number,
  least: number,
  most: number,
): ExpectedSamples[] {
  const count = `(count(ALERTS{alertstate="firing", cause!="", domain="${domain}"}) or vector(0))[${minutes}m:1m]`;
  return [
    { expr: `min_over_time(${count})`, minute, samples: [{ labels: {}, value: least }] },
    { expr: `max_over_time(${count})`, minute, samples: [{ labels: {}, value: most }] },
  ];
}

function firesAt(domain: string, minute: number, ...alertnames: string[]): ExpectedSamples {
  return {
    expr: `count by (alertname) (ALERTS{alertstate="firing", domain="${domain}"})`,
    minute,
    samples: alertnames.map((alertname) => ({ labels: { alertname }, value: 1 })),
  };
}

const check = async (series: Record<string, string>, samples: readonly ExpectedSamples[]): Promise<void> => {
  expect(await ruleComplaints({ stepSeconds: STEP, series, samples })).toBe('');
};

describe('one alert that names a cause at a time, and none missing', () => {
  test(
    'when the cause changes, each alert ends as the next fires',
    async () => {
      const series = hostWith({
        changes: [
          guest(2, 6),
          trouble('seed', 40),
          trouble('throttled', 40),
          trouble('slow', 40),
          guest(2, 30),
        ],
      });
      await check(series, [
        firesAt('changes', 15),
        firesAt('changes', 17, 'LibvirtGuestSwapThrashing'),
        ...firing('changes', 136, 118, 1, 1),
        firesAt('changes', 80, 'LibvirtDomainDiskThrottled'),
        firesAt('changes', 120, 'LibvirtGuestStorageSlow'),
        firesAt('changes', 145),
      ]);
    },
    TIMEOUT_MS,
  );

  test(
    'a burst of swap every hour renames nothing in an incident of the storage',
    async () => {
      const hour = [trouble('slow', 55), trouble('seed', 5)];
      await check(hostWith({ incident: [...hour, ...hour, ...hour] }), [
        ...firing('incident', 179, 165, 1, 1),
        {
          expr: 'count by (alertname) (count_over_time(ALERTS{alertstate="firing", domain="incident"}[179m]))',
          minute: 179,
          samples: [{ labels: { alertname: 'LibvirtGuestStorageSlow' }, value: 1 }],
        },
      ]);
    },
    TIMEOUT_MS,
  );

  test(
    'causes that change every few minutes have an alert of their own',
    async () => {
      const turns = Array.from({ length: 12 }, () => [trouble('seed', 4), trouble('slow', 4)]).flat();
      await check(hostWith({ restless: turns }), [
        firesAt('restless', 60, 'LibvirtGuestSlow'),
        ...firing('restless', 90, 90, 0, 0),
      ]);
    },
    TIMEOUT_MS,
  );

  test(
    'a pause of a minute in the trouble does not begin the ten minutes anew',
    async () => {
      const turns = Array.from({ length: 6 }, () => [trouble('throttled', 5), guest(2, 1)]).flat();
      await check(hostWith({ pauses: turns }), [firesAt('pauses', 20, 'LibvirtDomainDiskThrottled')]);
    },
    TIMEOUT_MS,
  );

  test(
    'a restart of the exporter, and two minutes without scrapes, do not end an alert',
    async () => {
      const gap = (minutes: number): Phase => trouble('seed', minutes, { notScraped: true });
      const series = hostWith({
        sick: [trouble('seed', 20), gap(2), trouble('seed', 20), gap(1), trouble('seed', 20)],
      });
      await check(series, firing('sick', 60, 45, 1, 1));
    },
    TIMEOUT_MS,
  );

  test(
    'a guest that moves takes its alert along, and leaves none behind',
    async () => {
      const away = (minutes: number): Phase => ({ minutes, absent: true });
      const series = {
        ...hostWith({ moves: [trouble('seed', 30), away(40)] }),
        ...hostWith({ moves: [away(30), trouble('seed', 40, { starts: true })] }, 'hv2:9177'),
        'libvirt_up{job="libvirt", instance="hv1:9177"}': '1x70',
        'libvirt_up{job="libvirt", instance="hv2:9177"}': '1x70',
      };
      await check(series, [
        {
          expr: `count by (instance) (${NAMED})`,
          minute: 28,
          samples: [{ labels: { instance: 'hv1:9177' }, value: 1 }],
        },
        {
          expr: `count by (instance) (${NAMED})`,
          minute: 45,
          samples: [{ labels: { instance: 'hv2:9177' }, value: 1 }],
        },
        // The new host needs two samples: a minute or two without an alert.
        ...firing('moves', 68, 55, 0, 1),
      ]);
    },
    TIMEOUT_MS,
  );
});

test(
  'healthy guests have no alert, whatever happens to them, their hosts and their exporters',
  async () => {
    const busy = HEALTHY.find(({ name }) => name === 'reads-much-from-a-fast-disk')?.phases(2)[0];
    if (busy === undefined) throw new Error('no busy guest');
    const boot = (minutes: number): Phase =>
      trouble('throttled', minutes, { starts: true, balloonSwap: 0, agentSilent: true });
    const freeze: Phase = guest(2, 1, { agentSilent: true, gauges: { [FROZEN]: 1 } });
    const job: Phase = guest(2, 10, { disks: { vda: { ...FAST_DISK, job: 'backup' } } });
    const domains: Record<string, readonly Phase[]> = {
      'starts-and-stops': Array.from({ length: 6 }, () => [
        boot(2),
        guest(2, 4),
        { minutes: 2, absent: true },
      ]).flat(),
      reboots: Array.from({ length: 6 }, () => [
        guest(2, 2, { boots: true, agentSilent: true }),
        trouble('slow', 1),
        guest(2, 5),
      ]).flat(),
      'is-backed-up': Array.from({ length: 3 }, () => [guest(2, 5), freeze, job]).flat(),
      'host-clock-ahead': [guest(2, 15), { ...busy, minutes: 35, clockAheadSeconds: 3600 }],
      'host-clock-back': [{ ...busy, minutes: 15, clockAheadSeconds: 3600 }, guest(2, 35)],
      'not-scraped': [{ ...busy, minutes: 15 }, guest(2, 2, { notScraped: true }), { ...busy, minutes: 30 }],
      'counters-of-qemu-begin-anew': [
        { ...busy, minutes: 15 },
        { ...busy, minutes: 30, starts: true },
      ],
    };
    for (const { name, phases } of HEALTHY) {
      const [before, ...more] = phases(2);
      if (before !== undefined && more.length === 0) domains[name] = [{ ...before, minutes: 40 }];
    }
    await check(
      {
        ...hostWith(domains),
        'up{job="libvirt", instance="hv1:9177"}': '1x50',
        'libvirt_up{job="libvirt", instance="hv1:9177"}': '1x50',
        'libvirt_scrape_collector_success{job="libvirt", instance="hv1:9177", collector="balloon"}': '1x50',
      },
      [
        {
          expr: 'count by (alertname, domain) (count_over_time(ALERTS{alertstate="firing"}[50m]))',
          minute: 49,
          samples: [],
        },
      ],
    );
  },
  TIMEOUT_MS,
);
