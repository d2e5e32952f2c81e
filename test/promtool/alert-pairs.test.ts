import { expect, test } from '@jest/globals';
import { type ExpectedSamples, ruleComplaints } from '../support/rule-test.ts';
import { guestSeries, type Phase } from '../support/simulated-guest.ts';
import { contradictions } from '../unit/rules/alert-remedies.ts';
import { FIRING, guest } from './slow-situations.ts';

/** Domains in which two alerts have their conditions at a time. Evaluations are a minute apart. */

const STEP_SECONDS = 60;
/** Alerts that wait for an hour fire by then. */
const MINUTES = 75;

const slow = (name: string): Phase => {
  const last = FIRING.find((each) => each.name === name)
    ?.phases(2)
    .at(-1);
  if (last === undefined) throw new Error(`no situation ${name}`);
  return last;
};
const values = (gauges: Readonly<Record<string, number>>): Phase => ({ minutes: MINUTES, gauges });

/** What makes each alert fire, by itself. */
const CONDITIONS: Readonly<Record<string, Phase>> = {
  LibvirtDomainWillNotStart: values({ 'libvirt_domain_start_blocked{reason="firmware"}': 1 }),
  LibvirtMachineTypeUnsupported: values({
    libvirt_domain_machine_type_supported: 0,
    'libvirt_domain_machine_type_info{machine="pc-q35-3.1",latest="pc-q35-7.2",vendor="upstream"}': 1,
  }),
  LibvirtMachineTypeDeprecated: values({
    libvirt_domain_machine_type_deprecated: 1,
    'libvirt_domain_machine_type_info{machine="pc-q35-3.1",latest="pc-q35-7.2",vendor="upstream"}': 1,
  }),
  LibvirtMachineTypeOutdated: values({
    libvirt_domain_machine_type_releases_behind: 12,
    'libvirt_domain_machine_type_info{machine="pc-q35-3.1",latest="pc-q35-7.2",vendor="upstream"}': 1,
  }),
  LibvirtQemuOutdated: values({ libvirt_domain_qemu_outdated: 1 }),
  LibvirtConfigPending: values({ 'libvirt_domain_config_pending{change="cpu"}': 1 }),
  LibvirtDomainPausedOnError: values({
    'libvirt_domain_state_reason_info{state="paused",reason="ioerror"}': 1,
    'libvirt_domain_state{state="paused"}': 1,
  }),
  LibvirtDomainDiskError: values({ 'libvirt_domain_disk_error{device="vda",error="no_space"}': 1 }),
  LibvirtGuestAgentDown: values({ libvirt_domain_guest_agent_up: 0 }),
  LibvirtGuestFrozen: slow('frozen'),
  LibvirtDomainStorageHung: slow('hung'),
  LibvirtDomainSwappedOut: slow('swapped-out'),
  LibvirtGuestMemorySqueezed: slow('balloon-halved'),
  LibvirtGuestSwapThrashing: slow('seed'),
  LibvirtDomainDiskThrottled: slow('throttled'),
  LibvirtDomainBlockJobSlow: slow('job-from-the-start'),
  LibvirtDomainCpuThrottled: slow('quota'),
  LibvirtDomainCpuStarved: slow('starved'),
  LibvirtGuestStorageSlow: slow('slow'),
  LibvirtGuestIowaitHigh: slow('nfs'),
};
const CAUSES = Object.keys(CONDITIONS).slice(Object.keys(CONDITIONS).indexOf('LibvirtGuestFrozen'));
const MACHINE_TYPES = Object.keys(CONDITIONS).filter((name) => name.startsWith('LibvirtMachineType'));

function seriesOf(domain: string, alertnames: readonly string[]): Record<string, string> {
  const all = alertnames.map((alertname) => {
    const condition = CONDITIONS[alertname];
    if (condition === undefined) throw new Error(`no condition of ${alertname}`);
    return guestSeries({ domain, phases: [{ ...condition, minutes: MINUTES }] }, STEP_SECONDS);
  });
  return Object.assign({}, ...all);
}

const pairsOf = (names: readonly string[]): [string, string][] =>
  names.flatMap((a, i) => names.slice(i + 1).map((b): [string, string] => [a, b]));

test('each condition alone has its alert', async () => {
  const series: Record<string, string> = {};
  const samples: ExpectedSamples[] = [];
  for (const alertname of Object.keys(CONDITIONS)) {
    Object.assign(series, seriesOf(`only-${alertname}`, [alertname]));
    samples.push({
      expr: `count by (alertname) (ALERTS{domain="only-${alertname}", alertstate="firing"})`,
      minute: MINUTES - 2,
      samples: [{ labels: { alertname }, value: 1 }],
    });
  }
  expect(await ruleComplaints({ stepSeconds: STEP_SECONDS, series, samples })).toBe('');
}, 120_000);

test('of two alerts that contradict or exclude each other, one at most fires for a domain', async () => {
  const series: Record<string, string> = {};
  const samples: ExpectedSamples[] = [];
  const pairs = [...contradictions(), ...pairsOf(CAUSES), ...pairsOf(MACHINE_TYPES)];
  for (const [a, b] of pairs) {
    const domain = `${a}-${b}`;
    Object.assign(series, seriesOf(domain, [a, b]));
    samples.push({
      expr: `count(ALERTS{domain="${domain}", alertname=~"${a}|${b}", alertstate="firing"})`,
      minute: MINUTES - 2,
      samples: [{ labels: {}, value: 1 }],
    });
  }
  expect(samples.length).toBeGreaterThan(75);
  expect(await ruleComplaints({ stepSeconds: STEP_SECONDS, series, samples })).toBe('');
}, 180_000);

test('a declaration that waits for the next start is not advised once more', async () => {
  const drift = {
    'libvirt_domain_os_drift{state="major_differs"}': 1,
    'libvirt_domain_os_info{declared="http://ubuntu.com/ubuntu/18.04",detected="http://ubuntu.com/ubuntu/20.04"}': 1,
  };
  const pending = { 'libvirt_domain_config_pending{change="os"}': 1 };
  const series = guestSeries(
    { domain: 'declared', phases: [guest(1, MINUTES, { gauges: { ...drift, ...pending } })] },
    STEP_SECONDS,
  );
  const samples = [
    {
      expr: 'count by (alertname) (ALERTS{domain="declared", alertstate="firing"})',
      minute: MINUTES - 2,
      samples: [{ labels: { alertname: 'LibvirtConfigPending' }, value: 1 }],
    },
  ];
  expect(await ruleComplaints({ stepSeconds: STEP_SECONDS, series, samples })).toBe('');
}, 120_000);
