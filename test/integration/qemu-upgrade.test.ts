import { chmod, copyFile, mkdir, mkdtemp, rename, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { defineGuest, destroyGuest, startGuest, undefineGuest } from '../../testbed/domains.ts';
import { type ExporterProcess, startExporterProcess, startProgram } from '../../testbed/exporter-process.ts';
import { haltedGuest } from '../../testbed/halted-guest.ts';
import { waitFor } from '../../testbed/wait.ts';
import { makeUnprivilegedProgram } from '../support/unprivileged-program.ts';

const INSTALLED = '/usr/bin/qemu-system-x86_64';
const DEFAULT = 'rig-test-upgrade-default';
const CUSTOM = 'rig-test-upgrade-custom';
const custom = { domain: CUSTOM };

let directory: string;
let emulator: string;
let asRoot: ExporterProcess;
let asNobody: ExporterProcess;
let removeProgram: () => Promise<void> = async () => undefined;

/** Puts another file in the emulator's place, as a package upgrade does. */
async function upgrade(): Promise<void> {
  await copyFile(INSTALLED, `${emulator}.new`);
  await rename(`${emulator}.new`, emulator);
}

/** Start times are known to a second or so; a result by time needs more than that between the two. */
async function untilSecondsAfter(epochSeconds: number, seconds: number): Promise<void> {
  await waitFor(async () => (Date.now() / 1000 > epochSeconds + seconds ? true : undefined), {
    what: 'the clock',
    timeoutMs: (seconds + 5) * 1000,
  });
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'rig-emulator-'));
  await chmod(directory, 0o755);
  // QEMU looks for its modules and firmware beside the folder that its binary is in.
  for (const name of ['lib', 'share']) await symlink(join('/usr', name), join(directory, name));
  await mkdir(join(directory, 'bin'));
  emulator = join(directory, 'bin/qemu-system-x86_64');
  await copyFile(INSTALLED, emulator);
  const copied = Date.now() / 1000;
  await defineGuest(haltedGuest(DEFAULT));
  await defineGuest(haltedGuest(CUSTOM, { extraDevicesXml: `<emulator>${emulator}</emulator>` }));
  await untilSecondsAfter(copied, 4);
  await startGuest(DEFAULT);
  await startGuest(CUSTOM);
  const program = await makeUnprivilegedProgram();
  removeProgram = program.remove;
  asRoot = await startExporterProcess();
  asNobody = await startProgram(program);
});

afterAll(async () => {
  await Promise.all([asRoot?.stop(), asNobody?.stop()]);
  await removeProgram();
  for (const name of [DEFAULT, CUSTOM]) {
    await destroyGuest(name);
    await undefineGuest(name);
  }
  await rm(directory, { recursive: true, force: true });
});

describe('a domain on the installed QEMU', () => {
  test('as root its log has the version', async () => {
    const seen = await asRoot.scrape();
    expect(seen.labels('libvirt_domain_qemu_info', { domain: DEFAULT })).toMatchObject({
      running_version: '7.2.22',
      installed_version: '7.2.22',
      source: 'log',
    });
    expect(seen.value('libvirt_domain_qemu_outdated', { domain: DEFAULT })).toBe(0);
  });

  test('without any rights its start time shows as much', async () => {
    const seen = await asNobody.scrape();
    expect(seen.value('libvirt_up')).toBe(1);
    expect(seen.labels('libvirt_domain_qemu_info', { domain: DEFAULT })).toMatchObject({
      running_version: '7.2.22',
      source: 'start_time',
    });
    expect(seen.value('libvirt_domain_qemu_outdated', { domain: DEFAULT })).toBe(0);
    const rootSees = (await asRoot.scrape()).value('libvirt_domain_start_time_seconds', { domain: DEFAULT });
    expect(seen.value('libvirt_domain_start_time_seconds', { domain: DEFAULT })).toBe(rootSees);
  });
});

describe('a domain on an emulator of its own path', () => {
  test('what libvirt does not report of that emulator stays unknown', async () => {
    const seen = await asRoot.scrape();
    expect(seen.labels('libvirt_domain_qemu_info', custom)).toMatchObject({
      running_version: '7.2.22',
      installed_version: 'unknown',
    });
    expect(seen.value('libvirt_domain_qemu_outdated', custom)).toBe(0);
    expect(seen.all('libvirt_domain_machine_type_supported', custom)).toEqual([]);
    expect(seen.labels('libvirt_domain_machine_type_info', custom)).toMatchObject({ latest: '' });
    expect((await asNobody.scrape()).labels('libvirt_domain_qemu_info', custom)).toMatchObject({
      running_version: 'unknown',
      source: 'none',
    });
  });

  test('is outdated once the file is replaced, until the domain is stopped and started', async () => {
    const started = (await asRoot.scrape()).value('libvirt_domain_start_time_seconds', custom) ?? 0;
    await untilSecondsAfter(started, 4);
    await upgrade();
    for (const exporter of [asRoot, asNobody]) {
      expect((await exporter.scrape()).value('libvirt_domain_qemu_outdated', custom)).toBe(1);
      expect((await exporter.scrape()).value('libvirt_domain_qemu_outdated', { domain: DEFAULT })).toBe(0);
    }
    await untilSecondsAfter(Date.now() / 1000, 4);
    await destroyGuest(CUSTOM);
    await startGuest(CUSTOM);
    for (const exporter of [asRoot, asNobody]) {
      expect((await exporter.scrape()).value('libvirt_domain_qemu_outdated', custom)).toBe(0);
    }
  });
});
