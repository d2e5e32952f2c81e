import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { restartDaemon, startDaemon, stopLibvirtd } from '../../testbed/daemon.ts';
import { destroyGuest, runGuest, startGuest, undefineGuest } from '../../testbed/domains.ts';
import { type ExporterProcess, startExporterProcess } from '../../testbed/exporter-process.ts';
import type { Exposition } from '../../testbed/exposition.ts';
import { haltedGuest } from '../../testbed/halted-guest.ts';
import { ownedPid } from '../../testbed/owned-process.ts';
import { virsh } from '../../testbed/virsh.ts';
import { waitFor } from '../../testbed/wait.ts';

const NAMES = ['rig-test-outage-1', 'rig-test-outage-2'];

let exporter: ExporterProcess;

beforeAll(async () => {
  for (const name of NAMES) await runGuest(haltedGuest(name));
});

afterAll(async () => {
  await exporter?.stop();
  await startDaemon();
  for (const name of NAMES) {
    await destroyGuest(name);
    await undefineGuest(name);
  }
});

const served = (seen: Exposition): (string | undefined)[] =>
  seen
    .all('libvirt_domain_machine_type_info')
    .map(({ labels }) => labels.domain)
    .filter((name) => name !== undefined && NAMES.includes(name))
    .sort();

const warnings = (): string[] => exporter.log.filter(({ level }) => level === 'warn').map(({ msg }) => msg);

test('started before libvirt: up 0 and HTTP 200; complete in the first scrape once libvirt is there', async () => {
  await stopLibvirtd();
  exporter = await startExporterProcess();
  const without = await exporter.scrape();
  expect(without.value('libvirt_up')).toBe(0);
  expect(without.all('libvirt_domain_info')).toEqual([]);
  expect(without.all('libvirt_scrape_collector_success').map(({ value }) => value)).not.toContain(1);
  expect((await fetch(`${exporter.url}/-/ready`)).status).toBe(503);
  expect((await fetch(`${exporter.url}/-/healthy`)).status).toBe(200);

  await startDaemon();
  const first = await exporter.scrape();
  expect(first.value('libvirt_up')).toBe(1);
  expect(served(first)).toEqual(NAMES);
  expect((await fetch(`${exporter.url}/-/ready`)).status).toBe(200);
  expect(warnings()).toHaveLength(1);
});

test.each(['SIGTERM', 'SIGKILL'] as const)(
  'libvirtd ended by %s under load: up 0 at once, and every series back in the first scrape after its return',
  async (signal) => {
    let loaded = true;
    const statuses = new Set<number>();
    const load = Array.from({ length: 4 }, async () => {
      while (loaded) statuses.add((await fetch(`${exporter.url}/metrics`)).status);
    });
    expect(served(await exporter.scrape())).toEqual(NAMES);

    await stopLibvirtd(signal);
    const during = await exporter.scrapeUntil((seen) => seen.value('libvirt_up') === 0, 5_000);
    expect(served(during)).toEqual([]);

    await startDaemon();
    await exporter.scrape(); // one under way may have begun before the daemon was back
    const after = await exporter.scrape();
    expect(after.value('libvirt_up')).toBe(1);
    expect(served(after)).toEqual(NAMES);
    expect(after.value('libvirt_domain_state', { domain: NAMES[0] ?? '', state: 'running' })).toBe(1);

    loaded = false;
    await Promise.all(load);
    expect([...statuses]).toEqual([200]);
  },
);

test('events arrive again after a restart of libvirtd', async () => {
  await restartDaemon();
  const [name = ''] = NAMES;
  const started = { domain: name, event: 'started' };
  const before = (await exporter.scrape()).value('libvirt_domain_events_total', started) ?? 0;
  await destroyGuest(name);
  await runGuest(haltedGuest(`${name}-new`));
  const seen = await exporter.scrape();
  expect(seen.value('libvirt_domain_events_total', { domain: name, event: 'stopped' })).toBe(1);
  expect(seen.value('libvirt_domain_events_total', started)).toBe(before);
  expect(seen.value('libvirt_domain_events_total', { domain: `${name}-new`, event: 'started' })).toBe(1);
  await destroyGuest(`${name}-new`);
  await undefineGuest(`${name}-new`);
});

test('a run is not taken for the one before it, though a restarted libvirtd gives the same id again', async () => {
  const last = 'rig-test-outage-last';
  try {
    await restartDaemon(); // from here on the next id is the highest running one and one more
    await runGuest(haltedGuest(last));
    const started = (seen: Exposition) =>
      seen.value('libvirt_domain_start_time_seconds', { domain: last }) ?? 0;
    const before = await exporter.scrape();
    const idBefore = await virsh(['domid', last]);
    await waitFor(async () => (Date.now() / 1000 > started(before) + 3 ? true : undefined), {
      what: 'a start time that differs',
      timeoutMs: 10_000,
    });
    await destroyGuest(last);
    await restartDaemon();
    await startGuest(last);
    expect(await virsh(['domid', last])).toBe(idBefore);
    expect(started(await exporter.scrape())).toBeGreaterThan(started(before) + 2);
  } finally {
    await destroyGuest(last);
    await undefineGuest(last);
  }
});

test('a libvirtd that hangs costs a scrape no more than its own timeout', async () => {
  const pid = await ownedPid('libvirtd');
  if (pid === undefined) throw new Error('these tests need a libvirtd that the rig may stop');
  await exporter.scrape();
  process.kill(pid, 'SIGSTOP');
  try {
    const begun = performance.now();
    const text = await exporter.scrapeText({ 'X-Prometheus-Scrape-Timeout-Seconds': '2' });
    expect(text).toContain('\nlibvirt_up 0\n');
    expect(performance.now() - begun).toBeLessThan(2_000);
    // Not ready once the call is past --libvirt.timeout, though the socket is open.
    await waitFor(async () => ((await fetch(`${exporter.url}/-/ready`)).status === 503 ? true : undefined), {
      what: 'the exporter to be not ready',
      timeoutMs: 15_000,
    });
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  const seen = await exporter.scrapeUntil((later) => later.value('libvirt_up') === 1);
  expect(served(seen)).toHaveLength(2);
});

test('SIGTERM ends the exporter with 0, with a scrape under way too', async () => {
  const scrape = fetch(`${exporter.url}/metrics`).catch(() => undefined);
  expect(await exporter.stop()).toBe(0);
  await scrape;
});
