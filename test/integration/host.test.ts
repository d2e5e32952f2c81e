import { mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { busyGuest } from '../../testbed/busy-guest.ts';
import { defineGuest, destroyGuest, runGuest, undefineGuest } from '../../testbed/domains.ts';
import { run } from '../../testbed/exec.ts';
import {
  type ExporterProcess,
  MAIN,
  startExporterProcess,
  startProgram,
} from '../../testbed/exporter-process.ts';
import type { Exposition } from '../../testbed/exposition.ts';
import { STATE_DIR } from '../../testbed/paths.ts';
import { virsh } from '../../testbed/virsh.ts';
import { makeWrittenImage, writingGuest } from '../../testbed/writing-guest.ts';
import { promtoolCheckMetrics } from '../support/promtool.ts';

const BUSY = 'rig-test-host-busy';
const WRITER = 'rig-test-host-writer';
/** A small file system of its own, which can be full or frozen. */
const STORE = `${STATE_DIR}/rig-test-host-store`;
const STORE_DEVICE = `${STORE}.ext4`;
const STORE_BYTES = 16 * 1024 * 1024;
const FILLER = `${STORE}/filler`;
const RESOURCES = ['io', 'memory', 'cpu'];

let exporter: ExporterProcess;
let isFrozen = false;

async function setFrozen(freeze: boolean): Promise<void> {
  await run('fsfreeze', [freeze ? '-f' : '-u', STORE]);
  isFrozen = freeze;
}

beforeAll(async () => {
  await mkdir(STORE, { recursive: true });
  await writeFile(STORE_DEVICE, '');
  await truncate(STORE_DEVICE, STORE_BYTES);
  await run('mkfs.ext4', ['-q', STORE_DEVICE]);
  await run('mount', ['-o', 'loop', STORE_DEVICE, STORE]);
  await makeWrittenImage(`${STORE}/disk.img`);
  await runGuest(busyGuest(BUSY, { vcpus: 2 }));
  exporter = await startExporterProcess(`--domain.include=${BUSY}|${WRITER}`);
});

afterAll(async () => {
  if (isFrozen) await setFrozen(false);
  await exporter?.stop();
  for (const name of [BUSY, WRITER]) {
    await destroyGuest(name);
    await undefineGuest(name);
  }
  await run('umount', [STORE]).catch(() => undefined);
  await rm(STORE_DEVICE, { force: true });
  await rm(STORE, { recursive: true, force: true });
});

const value = (
  seen: Exposition,
  name: string,
  labels: Readonly<Record<string, string>> = {},
  domain = BUSY,
): number | undefined => seen.value(`libvirt_domain_${name}`, { domain, ...labels });
const reasonOf = (seen: Exposition, domain: string) =>
  seen.labels('libvirt_domain_state_reason_info', { domain });

async function statusField(domain: string, field: string): Promise<number> {
  const pid = (await readFile(`/run/libvirt/qemu/${domain}.pid`, 'utf8')).trim();
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * 1024;
}

describe('the process', () => {
  test('has the memory that the kernel reports', async () => {
    const before = await statusField(BUSY, 'VmRSS');
    const seen = await exporter.scrape();
    const after = await statusField(BUSY, 'VmRSS');
    const resident = value(seen, 'process_resident_bytes') ?? Number.NaN;
    expect(resident).toBeGreaterThanOrEqual(Math.min(before, after) * 0.9);
    expect(resident).toBeLessThanOrEqual(Math.max(before, after) * 1.1);
    expect(value(seen, 'process_swap_bytes')).toBe(await statusField(BUSY, 'VmSwap'));
    expect(value(seen, 'process_blocked_seconds')).toBe(0);
  });

  test('and its cgroup can be seen by any user, and not from another process namespace', async () => {
    const program = { node: process.execPath, main: MAIN };
    const nobody = await startProgram(
      { ...program, wrapper: ['setpriv', '--reuid=65534', '--clear-groups'] },
      [`--domain.include=${BUSY}`],
    );
    const wrapper = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child=SIGTERM'] as const;
    const contained = await startProgram({ ...program, wrapper }, [`--domain.include=${BUSY}`]);
    try {
      const [own, seen, blind] = await Promise.all([exporter, nobody, contained].map((it) => it.scrape()));
      const hostSide = (from: Exposition | undefined) =>
        from?.samples
          .filter(({ name }) =>
            /^libvirt_domain_(?:process|pressure|cpu_(?:quota|periods|throttled))_/.test(name),
          )
          .map(({ name, labels }) => `${name} ${labels.resource ?? ''}`);
      expect(hostSide(own)?.length).toBeGreaterThanOrEqual(3);
      expect(hostSide(seen)).toEqual(hostSide(own));
      expect(hostSide(blind)).toEqual([]);
      expect(blind?.value('libvirt_hypervisor_cpus')).toBe(own?.value('libvirt_hypervisor_cpus'));
    } finally {
      await nobody.stop();
      // unshare itself heeds no SIGTERM; the exporter gets one when it is gone.
      contained.child.kill('SIGKILL');
    }
  });
});

test('the host has its CPUs, its memory and its pressure', async () => {
  const seen = await exporter.scrape();
  expect(seen.value('libvirt_hypervisor_cpus')).toBe(availableParallelism());
  expect(seen.value('libvirt_hypervisor_memory_bytes')).toBe(totalmem());
  const waiting = seen.all('libvirt_hypervisor_pressure_waiting_seconds_total');
  const ofKernel = await readdir('/proc/pressure').catch(() => []);
  expect(waiting.map(({ labels }) => labels.resource).sort()).toEqual(
    ofKernel.filter((name) => RESOURCES.includes(name)).sort(),
  );
});

describe('a CPU quota', () => {
  const counters = ['cpu_periods_total', 'cpu_throttled_periods_total', 'cpu_throttled_seconds_total'];
  const hasGrown = (before: Exposition) => (seen: Exposition) =>
    counters.every((name) => (value(seen, name) ?? 0) > (value(before, name) ?? 0));

  test('is absent without one', async () => {
    const seen = await exporter.scrape();
    for (const name of ['cpu_quota_cores', ...counters])
      expect([name, value(seen, name)]).toEqual([name, undefined]);
  });

  test.each([
    ['vcpu_quota', '10000', 0.2],
    ['global_quota', '30000', 0.3],
  ])('%s shows at once, with the time that the vCPUs wait for it', async (parameter, quota, cores) => {
    await virsh(['schedinfo', BUSY, '--live', '--set', `${parameter}=${quota}`]);
    const before = await exporter.scrapeUntil((seen) => value(seen, 'cpu_quota_cores') === cores);
    const after = await exporter.scrapeUntil(hasGrown(before));
    const grown = (name: string) => (value(after, name) ?? 0) - (value(before, name) ?? 0);
    // Of the two vCPUs one is busy: it is throttled in nearly each of its periods.
    expect(grown('cpu_throttled_periods_total')).toBeLessThanOrEqual(grown('cpu_periods_total'));
    await virsh(['schedinfo', BUSY, '--live', '--set', `${parameter}=-1`]);
    const lifted = await exporter.scrapeUntil((seen) => value(seen, 'cpu_quota_cores') === undefined);
    for (const name of counters)
      expect(value(lifted, name)).toBeGreaterThanOrEqual(value(after, name) ?? Number.NaN);
  });
});

test("the domain's pressure grows when others take the CPUs", async () => {
  const pid = (await readFile(`/run/libvirt/qemu/${BUSY}.pid`, 'utf8')).trim();
  const isCounted = /^0::\/.*(?:\.scope|\.libvirt-qemu)/m.test(await readFile(`/proc/${pid}/cgroup`, 'utf8'));
  const before = await exporter.scrape();
  const resources = before
    .all('libvirt_domain_pressure_waiting_seconds_total', { domain: BUSY })
    .map(({ labels }) => labels.resource);
  expect(resources.sort()).toEqual(isCounted ? [...RESOURCES].sort() : []);
  if (!isCounted) return;
  const waited = (seen: Exposition) =>
    value(seen, 'pressure_waiting_seconds_total', { resource: 'cpu' }) ?? 0;
  await virsh(['schedinfo', BUSY, '--live', '--set', 'vcpu_quota=10000']);
  await exporter.scrapeUntil((seen) => waited(seen) > waited(before));
  await virsh(['schedinfo', BUSY, '--live', '--set', 'vcpu_quota=-1']);
});

describe('a disk', () => {
  const errors = (seen: Exposition) => seen.all('libvirt_domain_disk_error', { domain: WRITER });
  const full = { device: 'vda', reason: 'no_space' };
  const ioErrors = (seen: Exposition) => value(seen, 'io_errors_total', full, WRITER);

  test('whose storage is full pauses the domain, and is named', async () => {
    await defineGuest(writingGuest(WRITER, `${STORE}/disk.img`));
    // libvirt writes the owner of an image beside it, for which there has to be room.
    await virsh(['start', WRITER, '--paused']);
    await run('dd', ['if=/dev/zero', `of=${FILLER}`, 'bs=4096', 'status=none']).catch(() => undefined);
    const paused = await exporter.scrapeUntil(
      (seen) => reasonOf(seen, WRITER)?.reason === 'starting_up' || ioErrors(seen) === 0,
    );
    expect(errors(paused)).toEqual([]);
    await virsh(['resume', WRITER]);
    const seen = await exporter.scrapeUntil((later) => errors(later).length > 0);
    expect(reasonOf(seen, WRITER)).toMatchObject({ state: 'paused', reason: 'ioerror' });
    expect(errors(seen).map(({ labels }) => labels)).toEqual([
      { domain: WRITER, device: 'vda', error: 'no_space' },
    ]);
    expect(ioErrors(seen)).toBeGreaterThan(0);
    expect(value(seen, 'scrape_success', {}, WRITER)).toBe(1);
  });

  test('whose error an exporter has not seen is named as well', async () => {
    const other = await startExporterProcess(`--domain.include=${WRITER}`);
    try {
      const seen = await other.scrapeUntil((later) => errors(later).length > 0);
      expect(errors(seen).map(({ labels }) => labels.error)).toEqual(['no_space']);
      expect(ioErrors(seen)).toBe(0);
    } finally {
      await other.stop();
    }
  });

  test('has no error once there is room and the domain was resumed, and its failures stay counted', async () => {
    await rm(FILLER);
    await virsh(['resume', WRITER]);
    const seen = await exporter.scrapeUntil((later) => reasonOf(later, WRITER)?.state === 'running');
    expect(errors(seen)).toEqual([]);
    expect(ioErrors(seen)).toBeGreaterThan(0);
    const written = (of: Exposition) =>
      value(of, 'block_write_requests_total', { device: 'vda' }, WRITER) ?? 0;
    await exporter.scrapeUntil((later) => written(later) > written(seen));
  });

  test('that a client watches for a threshold has the event counted once', async () => {
    const events = (seen: Exposition) =>
      value(seen, 'block_threshold_events_total', { device: 'vda' }, WRITER);
    expect(events(await exporter.scrape())).toBeUndefined();
    await virsh(['domblkthreshold', WRITER, 'vda', '--threshold', '1000']);
    await exporter.scrapeUntil((seen) => events(seen) === 1);
  });

  test('that hangs blocks a thread of QEMU, for as long as it hangs', async () => {
    const blocked = (seen: Exposition) => value(seen, 'process_blocked_seconds', {}, WRITER) ?? Number.NaN;
    await setFrozen(true);
    const hung = await exporter.scrapeUntil((seen) => blocked(seen) > 1);
    expect(blocked(hung)).toBeLessThan(30);
    await exporter.scrapeUntil((seen) => blocked(seen) > blocked(hung));
    await setFrozen(false);
    await exporter.scrapeUntil((seen) => blocked(seen) === 0);
  });
});

test('the time of the statistics is that of the scrape, finer than a second', async () => {
  const times: number[] = [];
  for (let scrape = 0; scrape < 3; scrape++) {
    const before = Date.now() / 1000;
    const time = value(await exporter.scrape(), 'stats_timestamp_seconds') ?? Number.NaN;
    expect(time).toBeGreaterThanOrEqual(before);
    expect(time).toBeLessThanOrEqual(Date.now() / 1000);
    times.push(time);
  }
  expect(times.some((time) => !Number.isInteger(time))).toBe(true);
});

test('everything served at once passes promtool', async () => {
  expect(await promtoolCheckMetrics(await exporter.scrapeText())).toBe('');
});
