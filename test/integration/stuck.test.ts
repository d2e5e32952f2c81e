import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { cleanUp } from '../../testbed/clean-up.ts';
import { type ExporterProcess, startExporterProcess } from '../../testbed/exporter-process.ts';
import type { Exposition } from '../../testbed/exposition.ts';
import { startFleet } from '../../testbed/fleet.ts';
import { freezeQemu, thawQemu } from '../../testbed/qemu-process.ts';
import { virsh } from '../../testbed/virsh.ts';

const PREFIX = 'rig-test-stuck-';
const COUNT = 100;
const FLEET_MS = 300_000;
/** Prometheus' own default. */
const SCRAPE_TIMEOUT_SECONDS = '10';

let exporter: ExporterProcess;
let names: readonly string[];
let frozen: readonly string[];
/** More than ten: from twelve hanging calls on the exporter goes carefully. */
let more: readonly string[];

beforeAll(async () => {
  ({ names } = await startFleet(COUNT, { prefix: PREFIX }));
  // Neighbours in libvirt's list, and far apart.
  frozen = names.filter((_, index) => index % 10 === 3);
  more = names.filter((_, index) => index % 30 === 7);
  exporter = await startExporterProcess(`--domain.include=${PREFIX}.*`);
}, FLEET_MS);

afterAll(async () => {
  for (const name of [...(frozen ?? []), ...(more ?? [])]) await thawQemu(name).catch(() => undefined);
  await exporter?.stop();
  await cleanUp(PREFIX);
}, FLEET_MS);

const domainsOf = (seen: Exposition, metric: string, value?: number): string[] =>
  seen
    .all(metric)
    .filter((sample) => value === undefined || sample.value === value)
    .map(({ labels }) => labels.domain ?? '')
    .sort();
const readable = (seen: Exposition): string[] => domainsOf(seen, 'libvirt_domain_scrape_success', 1);
const withDisk = (seen: Exposition): string[] => domainsOf(seen, 'libvirt_domain_block_read_requests_total');
const warnings = (): string[] => exporter.log.filter(({ level }) => level === 'warn').map(({ msg }) => msg);

test('every domain is complete while every QEMU answers', async () => {
  const seen = await exporter.scrape();
  expect(readable(seen)).toEqual(names);
  expect(withDisk(seen)).toEqual(names);
});

test('ten of a hundred hang: the other ninety are complete in each scrape, the first included', async () => {
  for (const name of frozen) await freezeQemu(name);
  const others = names.filter((name) => !frozen.includes(name));
  for (let round = 0; round < 5; round++) {
    const seen = await exporter.scrape({
      'X-Prometheus-Scrape-Timeout-Seconds': SCRAPE_TIMEOUT_SECONDS,
    });
    expect(seen.value('libvirt_up')).toBe(1);
    expect(readable(seen)).toEqual(others);
    expect(withDisk(seen)).toEqual(others);
    // What is known without QEMU stays: identity, machine type, processor time.
    for (const metric of ['info', 'machine_type_info', 'cpu_seconds_total', 'start_time_seconds', 'vcpus'])
      expect(domainsOf(seen, `libvirt_domain_${metric}`)).toEqual(names);
  }
  expect(warnings()).toHaveLength(frozen.length);
});

test('others are served by libvirt as before: it is not out of workers', async () => {
  const [answering = ''] = names;
  expect(await virsh(['domstats', '--block', answering], { timeoutMs: 10_000 })).toContain('block.0.rd.reqs');
});

test('four more hang: the others are complete all the same', async () => {
  for (const name of more) await freezeQemu(name);
  const others = names.filter((name) => !frozen.includes(name) && !more.includes(name));
  for (let round = 0; round < 3; round++) {
    const seen = await exporter.scrape({
      'X-Prometheus-Scrape-Timeout-Seconds': SCRAPE_TIMEOUT_SECONDS,
    });
    expect(readable(seen)).toEqual(others);
    expect(withDisk(seen)).toEqual(others);
  }
  expect(warnings()).toHaveLength(frozen.length + more.length);
});

test('those that answer again are back within 30 s, and nothing was logged once per scrape', async () => {
  for (const name of [...frozen, ...more]) await thawQemu(name);
  const seen = await exporter.scrapeUntil((later) => readable(later).length === COUNT, 30_000);
  expect(withDisk(seen)).toEqual(names);
  expect(warnings()).toHaveLength(frozen.length + more.length);
});

test('while libvirt ends one that hangs, which locks its list of domains, the others are complete', async () => {
  const [victim = ''] = frozen;
  await freezeQemu(victim);
  await exporter.scrapeUntil((seen) => !readable(seen).includes(victim), 30_000);
  const others = names.filter((name) => name !== victim);
  let ended = false;
  const ending = virsh(['destroy', victim], { timeoutMs: 60_000 }).finally(() => {
    ended = true;
  });
  for (let scrapes = 0; scrapes === 0 || !ended; scrapes++) {
    const seen = await exporter.scrape({ 'X-Prometheus-Scrape-Timeout-Seconds': SCRAPE_TIMEOUT_SECONDS });
    expect(seen.value('libvirt_up')).toBe(1);
    expect(withDisk(seen).filter((name) => name !== victim)).toEqual(others);
  }
  await ending;
  // Gone like any other.
  const seen = await exporter.scrapeUntil(
    (later) => later.value('libvirt_domain_state', { domain: victim, state: 'shutoff' }) === 1,
  );
  expect(readable(seen)).toEqual(names);
});
