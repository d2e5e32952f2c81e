import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { RIG_NAMESPACE } from '../../testbed/domain-xml.ts';
import { defineGuest, defineXml, destroyGuest, undefineGuest } from '../../testbed/domains.ts';
import { type ExporterProcess, startExporterProcess } from '../../testbed/exporter-process.ts';
import { haltedGuest } from '../../testbed/halted-guest.ts';
import { promtoolCheckMetrics } from '../support/promtool.ts';

/** What libvirt itself allows in names: all but a slash and, since 2.0, a newline. */
const NAMES = [
  `rig-test-"double" and 'single'`,
  'rig-test-<tag attr="x">&amp;',
  'rig-test-emoji-\u{1F427}\u{1F1FA}\u{1F1E6}',
  'rig-test-back\\slash{label="x"} 1',
  `rig-test-${'x'.repeat(191)}`,
];

let exporter: ExporterProcess;

beforeAll(async () => {
  exporter = await startExporterProcess();
  for (const name of NAMES) await defineGuest(haltedGuest(name, { disk: undefined }));
});

afterAll(async () => {
  await exporter?.stop();
  for (const name of NAMES) {
    await destroyGuest(name);
    await undefineGuest(name);
  }
});

test.each(NAMES)('a domain named %s has its series', async (name) => {
  const seen = await exporter.scrape();
  const domain = { domain: name };
  expect(seen.all('libvirt_domain_info', domain)).toHaveLength(1);
  expect(seen.value('libvirt_domain_scrape_success', domain)).toBe(1);
  expect(seen.value('libvirt_domain_state', { ...domain, state: 'shutoff' })).toBe(1);
});

describe('machine types and metadata of any kind', () => {
  const PLAIN = 'rig-test-plain';

  afterAll(async () => {
    await destroyGuest(PLAIN);
    await undefineGuest(PLAIN);
  });

  test('metadata without an OS, and an unversioned machine type', async () => {
    const xml = `<domain type='qemu'><name>${PLAIN}</name><memory unit='MiB'>16</memory>
      <metadata><rig:guest xmlns:rig='${RIG_NAMESPACE}'/></metadata>
      <os><type arch='x86_64' machine='isapc'>hvm</type></os>
      <devices><controller type='usb' model='none'/><memballoon model='none'/></devices></domain>`;
    await defineXml(PLAIN, xml);
    const seen = await exporter.scrape();
    expect(seen.labels('libvirt_domain_os_info', { domain: PLAIN })?.declared).toBe('');
    expect(seen.all('libvirt_domain_os_eol_timestamp_seconds', { domain: PLAIN })).toEqual([]);
    expect(seen.labels('libvirt_domain_machine_type_info', { domain: PLAIN })).toMatchObject({
      machine: 'isapc',
      vendor: 'unversioned',
      version: '',
    });
    expect(seen.all('libvirt_domain_machine_type_releases_behind', { domain: PLAIN })).toEqual([]);
    expect(seen.value('libvirt_domain_machine_type_supported', { domain: PLAIN })).toBe(1);
  });
});

test('everything served passes promtool without a word, and nothing was logged as wrong', async () => {
  expect(await promtoolCheckMetrics(await exporter.scrapeText())).toBe('');
  expect(exporter.log.filter(({ level }) => level !== 'info')).toEqual([]);
});

test('no series is served twice', async () => {
  const text = await exporter.scrapeText();
  const series = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const keys = series.map((line) => line.slice(0, line.lastIndexOf(' ')));
  expect(new Set(keys).size).toBe(keys.length);
});

test('domains that the flags leave out have no series, but are counted', async () => {
  const narrow = await startExporterProcess(
    '--domain.include=rig-test-.*',
    '--domain.exclude=.*(emoji|x{50}).*',
  );
  try {
    const seen = await narrow.scrape();
    const served = seen.all('libvirt_domain_info').map(({ labels }) => labels.domain);
    expect(served).toHaveLength(3);
    expect(seen.value('libvirt_domains', { state: 'shutoff' })).toBeGreaterThanOrEqual(NAMES.length);
  } finally {
    await narrow.stop();
  }
});
