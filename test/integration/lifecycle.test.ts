import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  defineGuest,
  defineXml,
  destroyGuest,
  dumpXml,
  startGuest,
  undefineGuest,
} from '../../testbed/domains.ts';
import { type ExporterProcess, startExporterProcess } from '../../testbed/exporter-process.ts';
import { haltedGuest } from '../../testbed/halted-guest.ts';
import { virsh } from '../../testbed/virsh.ts';

const NAME = 'rig-test-lifecycle';
const OTHER = 'rig-test-bystander';
const domain = { domain: NAME };

let exporter: ExporterProcess;

beforeAll(async () => {
  exporter = await startExporterProcess();
  await defineGuest(haltedGuest(OTHER));
  await startGuest(OTHER);
});

afterAll(async () => {
  await exporter?.stop();
  for (const name of [NAME, OTHER]) {
    await destroyGuest(name);
    await undefineGuest(name);
  }
});

const state = async (): Promise<string | undefined> => {
  const seen = await exporter.scrape();
  return seen.all('libvirt_domain_state', domain).find(({ value }) => value === 1)?.labels.state;
};

describe('what virsh does shows in the very next scrape', () => {
  test('define', async () => {
    expect((await exporter.scrape()).all('libvirt_domain_info', domain)).toEqual([]);
    await defineGuest(haltedGuest(NAME, { machine: 'pc-q35-3.1' }));
    const seen = await exporter.scrape();
    expect(seen.labels('libvirt_domain_machine_type_info', domain)).toEqual({
      domain: NAME,
      machine: 'pc-q35-3.1',
      family: 'pc-q35',
      version: '3.1',
      vendor: 'upstream',
      latest: 'pc-q35-7.2',
      removed_in: '10.1',
    });
    expect(seen.value('libvirt_domain_machine_type_releases_behind', domain)).toBe(12);
    expect(seen.value('libvirt_domain_machine_type_supported', domain)).toBe(1);
    expect(seen.all('libvirt_domain_config_pending', domain)).toEqual([]);
    expect(seen.all('libvirt_domain_start_time_seconds', domain)).toEqual([]);
    expect(seen.value('libvirt_domain_state', { ...domain, state: 'shutoff' })).toBe(1);
  });

  test('start', async () => {
    const before = Date.now() / 1000;
    await startGuest(NAME);
    const seen = await exporter.scrape();
    expect(seen.value('libvirt_domain_state', { ...domain, state: 'running' })).toBe(1);
    expect(seen.value('libvirt_domain_events_total', { ...domain, event: 'started' })).toBe(1);
    expect(Math.abs((seen.value('libvirt_domain_start_time_seconds', domain) ?? 0) - before)).toBeLessThan(
      30,
    );
    expect(seen.labels('libvirt_domain_qemu_info', domain)).toMatchObject({
      running_version: '7.2.22',
      installed_version: '7.2.22',
      source: 'log',
    });
    expect(seen.value('libvirt_domain_qemu_outdated', domain)).toBe(0);
    const pending = seen.all('libvirt_domain_config_pending', domain).map(({ value }) => value);
    expect(pending).toEqual(Array.from({ length: 12 }, () => 0));
  });

  test('an edited machine type and OS wait for the next start, which ends the waiting', async () => {
    const xml = await dumpXml(NAME, '--inactive');
    await defineXml(
      NAME,
      xml.replace("machine='pc-q35-3.1'", "machine='q35'").replace('ubuntu/22.04', 'ubuntu/20.04'),
    );
    const edited = await exporter.scrape();
    const waiting = edited.all('libvirt_domain_config_pending', domain).filter(({ value }) => value === 1);
    expect(waiting.map(({ labels }) => labels.change)).toEqual(['machine_type', 'os']);
    expect(edited.labels('libvirt_domain_machine_type_info', domain)?.machine).toBe('pc-q35-3.1');

    await destroyGuest(NAME);
    await startGuest(NAME);
    const restarted = await exporter.scrape();
    expect(
      restarted.all('libvirt_domain_config_pending', { ...domain }).map(({ value }) => value),
    ).not.toContain(1);
    expect(restarted.labels('libvirt_domain_machine_type_info', domain)?.machine).toBe('pc-q35-7.2');
    expect(restarted.value('libvirt_domain_machine_type_releases_behind', domain)).toBe(0);
    expect(restarted.labels('libvirt_domain_os_info', domain)?.declared).toBe(
      'http://ubuntu.com/ubuntu/20.04',
    );
  });

  test('suspend and resume', async () => {
    const count = async (event: string) =>
      (await exporter.scrape()).value('libvirt_domain_events_total', { ...domain, event }) ?? Number.NaN;
    // libvirt announces "resumed" at each start too, when it lets the vCPUs go.
    const before = { suspended: await count('suspended'), resumed: await count('resumed') };
    await virsh(['suspend', NAME]);
    expect(await state()).toBe('paused');
    await virsh(['resume', NAME]);
    expect(await state()).toBe('running');
    expect(await count('suspended')).toBe(before.suspended + 1);
    expect(await count('resumed')).toBe(before.resumed + 1);
  });

  test('metadata changed while running', async () => {
    const uri = 'http://libosinfo.org/xmlns/libvirt/domain/1.0';
    const declared = '<libosinfo><os id="http://debian.org/debian/12"/></libosinfo>';
    await virsh(['metadata', NAME, '--uri', uri, '--key', 'os', '--set', declared, '--live']);
    const seen = await exporter.scrape();
    expect(seen.labels('libvirt_domain_os_info', domain)?.declared).toBe('http://debian.org/debian/12');
    expect(seen.value('libvirt_domain_config_pending', { ...domain, change: 'os' })).toBe(1);
  });

  test('a disk plugged in at run time is a difference, since the next start will not have it', async () => {
    const pending = { domain: OTHER, change: 'disk' };
    expect((await exporter.scrape()).value('libvirt_domain_config_pending', pending)).toBe(0);
    await virsh([
      'attach-disk',
      OTHER,
      '/dev/zero',
      'vdz',
      '--live',
      '--mode',
      'readonly',
      '--sourcetype',
      'block',
    ]);
    expect((await exporter.scrape()).value('libvirt_domain_config_pending', pending)).toBe(1);
  });

  test('a QEMU that is killed is counted as crashed', async () => {
    const pidFile = `/run/libvirt/qemu/${OTHER}.pid`;
    process.kill(Number(await readFile(pidFile, 'utf8')), 'SIGKILL');
    const crashed = { domain: OTHER, event: 'crashed' };
    const seen = await exporter.scrapeUntil(
      (later) => later.value('libvirt_domain_events_total', crashed) === 1,
    );
    expect(seen.value('libvirt_domain_events_total', { domain: OTHER, event: 'stopped' })).toBe(0);
  });

  test('undefine of a running domain makes it transient: nothing can be pending any more', async () => {
    await virsh(['undefine', NAME]);
    const seen = await exporter.scrape();
    expect(seen.all('libvirt_domain_config_pending', domain)).toEqual([]);
    expect(seen.value('libvirt_domain_state', { ...domain, state: 'running' })).toBe(1);
  });

  test('destroy of a transient domain leaves no series behind', async () => {
    await destroyGuest(NAME);
    const seen = await exporter.scrape();
    expect(seen.samples.filter(({ labels }) => labels.domain === NAME)).toEqual([]);
    expect(seen.value('libvirt_domain_scrape_success', { domain: OTHER })).toBe(1);
  });

  test('a name that is used again is another domain, with counters of its own', async () => {
    await defineGuest(haltedGuest(NAME));
    const seen = await exporter.scrape();
    expect(seen.value('libvirt_domain_events_total', { ...domain, event: 'started' })).toBe(0);
    expect(await dumpXml(NAME)).toContain(seen.labels('libvirt_domain_info', domain)?.uuid);
  });
});
