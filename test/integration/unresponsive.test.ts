import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { cleanUp } from '../../testbed/clean-up.ts';
import { run } from '../../testbed/exec.ts';
import {
  type ExporterProcess,
  MAIN,
  startExporterProcess,
  startProgram,
} from '../../testbed/exporter-process.ts';
import type { Exposition } from '../../testbed/exposition.ts';
import { startFleet } from '../../testbed/fleet.ts';
import { continueQemu, stopQemu } from '../../testbed/qemu-process.ts';
import { virsh } from '../../testbed/virsh.ts';

const PREFIX = 'rig-test-stuck-';
const COUNT = 100;
const FLEET_MS = 300_000;
/** Prometheus' own default. */
const SCRAPE = { 'X-Prometheus-Scrape-Timeout-Seconds': '10' };
/** An answer that waits for a worker of libvirtd does not come in this time. */
const AT_ONCE_MS = 10_000;

let names: readonly string[];
const frozen = new Set<string>();
const exporters: ExporterProcess[] = [];

const include = `--domain.include=${PREFIX}.*`;

async function keep(starting: Promise<ExporterProcess>): Promise<ExporterProcess> {
  const exporter = await starting;
  exporters.push(exporter);
  return exporter;
}

async function freeze(which: (index: number) => boolean): Promise<void> {
  for (const name of names.filter((_, index) => which(index))) {
    await stopQemu(name);
    frozen.add(name);
  }
}

async function thawAll(): Promise<void> {
  for (const name of frozen) await continueQemu(name).catch(() => undefined);
  frozen.clear();
}

beforeAll(async () => {
  ({ names } = await startFleet(COUNT, { prefix: PREFIX }));
}, FLEET_MS);

afterAll(async () => {
  await thawAll();
  for (const exporter of exporters) await exporter.stop();
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
const healthy = (): string[] => names.filter((name) => !frozen.has(name));
const warnings = ({ log }: ExporterProcess): string[] =>
  log.filter(({ level }) => level === 'warn').map(({ msg }) => msg);

/** Series that need no monitor. */
const WITHOUT_MONITOR = [
  'info',
  'state',
  'machine_type_info',
  'cpu_seconds_total',
  'vcpu_time_seconds_total',
  'start_time_seconds',
  'vcpus',
];

async function expectOthersWhole(exporter: ExporterProcess, scrapes: number): Promise<void> {
  for (let scrape = 0; scrape < scrapes; scrape++) {
    const seen = await exporter.scrape(SCRAPE);
    expect(seen.value('libvirt_up')).toBe(1);
    expect(readable(seen)).toEqual(healthy());
    expect(withDisk(seen)).toEqual(healthy());
    for (const metric of WITHOUT_MONITOR)
      expect([...new Set(domainsOf(seen, `libvirt_domain_${metric}`))]).toEqual(names);
  }
}

/** `freeWorkers` and the like, as libvirtd's own administration reports them. */
async function freeWorkers(): Promise<number> {
  const info = await run('virt-admin', ['server-threadpool-info', 'libvirtd']);
  const read = (name: string): number => Number(new RegExp(`^${name}\\s*: (\\d+)$`, 'm').exec(info)?.[1]);
  // Workers are made as they are needed, up to maxWorkers.
  return read('freeWorkers') + read('maxWorkers') - read('nWorkers');
}

async function expectDaemonAtHand(): Promise<void> {
  const [answering = ''] = healthy();
  const options = { timeoutMs: AT_ONCE_MS };
  expect(await virsh(['list', '--name'], options)).toContain(answering);
  expect(await virsh(['dumpxml', answering], options)).toContain('<domain');
  expect(await virsh(['domstats', '--block', answering], options)).toContain('block.0.rd.reqs');
  expect(await freeWorkers()).toBeGreaterThan(0);
}

describe('QEMU processes that are stopped', () => {
  let exporter: ExporterProcess;

  test('every domain is complete while every QEMU responds', async () => {
    exporter = await keep(startExporterProcess(include));
    await expectOthersWhole(exporter, 1);
  });

  test('twenty of a hundred: the others are complete in each scrape, and libvirtd has workers for others', async () => {
    await freeze((index) => index % 5 === 3);
    await expectOthersWhole(exporter, 5);
    await expectDaemonAtHand();
    expect(warnings(exporter)).toHaveLength(frozen.size);
  });

  test('none of them is sent a call that needs its monitor, so libvirtd waits for none', async () => {
    for (const name of frozen) expect((await virsh(['domcontrol', name])).trim()).toBe('ok');
  });

  test('an exporter that starts meanwhile serves the others, and of the stopped ones what needs no monitor', async () => {
    const second = await keep(startExporterProcess(include));
    await second.scrape(SCRAPE);
    await expectOthersWhole(second, 2);
    expect(await second.stop()).toBe(0);
  });

  test('those that go on are complete in the next scrape, and nothing was logged once per scrape', async () => {
    const before = frozen.size;
    await thawAll();
    await expectOthersWhole(exporter, 1);
    expect(warnings(exporter)).toHaveLength(before);
  });

  test('while libvirt ends one, which locks its list of domains, the others are complete', async () => {
    const [victim = ''] = names;
    await stopQemu(victim);
    await exporter.scrapeUntil((seen) => !readable(seen).includes(victim), 30_000);
    const others = names.filter((name) => name !== victim);
    let ended = false;
    const ending = virsh(['destroy', victim], { timeoutMs: 60_000 }).finally(() => {
      ended = true;
    });
    for (let scrapes = 0; scrapes === 0 || !ended; scrapes++) {
      const seen = await exporter.scrape(SCRAPE);
      expect(seen.value('libvirt_up')).toBe(1);
      expect(withDisk(seen).filter((name) => name !== victim)).toEqual(others);
    }
    await ending;
    const seen = await exporter.scrapeUntil(
      (later) => later.value('libvirt_domain_state', { domain: victim, state: 'shutoff' }) === 1,
    );
    expect(readable(seen)).toEqual(names);
    await virsh(['start', victim]);
    await exporter.scrapeUntil((later) => withDisk(later).includes(victim));
  });
});

describe('hung QEMUs whose processes the exporter cannot see', () => {
  let exporter: ExporterProcess;

  beforeAll(async () => {
    // With a /proc of its own only the missing answer shows that a QEMU hangs.
    const wrapper = ['unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'] as const;
    exporter = await startProgram({ node: process.execPath, main: MAIN, wrapper: [...wrapper] }, [include]);
  });

  // unshare ignores SIGTERM while it waits for its child.
  afterAll(() => {
    exporter?.child.kill('SIGKILL');
  });

  test('fourteen of a hundred: the others are complete in each scrape, the first included', async () => {
    const seen = await exporter.scrape(SCRAPE);
    expect(seen.all('libvirt_domain_start_time_seconds')).toEqual([]);
    expect(readable(seen)).toEqual(names);
    await freeze((index) => index % 7 === 3 && index < 98);
    expect(frozen.size).toBe(14);
    for (let scrape = 0; scrape < 4; scrape++) {
      const later = await exporter.scrape(SCRAPE);
      expect(readable(later)).toEqual(healthy());
      expect(withDisk(later)).toEqual(healthy());
      expect(domainsOf(later, 'libvirt_domain_machine_type_info')).toEqual(names);
    }
    await expectDaemonAtHand();
    expect(warnings(exporter)).toHaveLength(frozen.size);
  });

  test('they are complete again once they respond', async () => {
    await thawAll();
    await exporter.scrapeUntil((seen) => readable(seen).length === COUNT, 30_000);
  });
});
