import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, copyFile, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { defineGuest, destroyGuest, startGuest, undefineGuest } from '../../testbed/domains.ts';
import { type ExporterProcess, type Program, startProgram } from '../../testbed/exporter-process.ts';
import { haltedGuest } from '../../testbed/halted-guest.ts';
import { virsh } from '../../testbed/virsh.ts';
import { makeUnprivilegedProgram } from '../support/unprivileged-program.ts';

const SAVED = 'rig-test-next-start-saved';
const OWN = 'rig-test-next-start-emulator';
const saved = { domain: SAVED };

let directory: string;
let emulator: string;
let program: Program & { readonly remove: () => Promise<void> };
let exporter: ExporterProcess;

/** Machine type, and whether something blocks the next start, of the domain that was saved. */
async function seen() {
  const scrape = await exporter.scrape();
  return {
    machine: scrape.labels('libvirt_domain_machine_type_info', saved)?.machine,
    isSaved: scrape.value('libvirt_domain_managed_save', saved),
    blocked: ['machine_type', 'emulator', 'firmware'].map((reason) =>
      scrape.value('libvirt_domain_start_blocked', { ...saved, reason }),
    ),
  };
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'rig-next-start-'));
  await chmod(directory, 0o755);
  // QEMU looks for its modules and firmware beside the folder that its binary is in.
  for (const name of ['lib', 'share']) await symlink(join('/usr', name), join(directory, name));
  await mkdir(join(directory, 'bin'));
  emulator = join(directory, 'bin/qemu-system-x86_64');
  await copyFile('/usr/bin/qemu-system-x86_64', emulator);
  await defineGuest(haltedGuest(SAVED, { machine: 'pc-q35-3.1' }));
  await defineGuest(haltedGuest(OWN, { extraDevicesXml: `<emulator>${emulator}</emulator>` }));
  program = await makeUnprivilegedProgram();
  exporter = await startProgram(program);
});

afterAll(async () => {
  await exporter?.stop();
  await program?.remove();
  for (const name of [SAVED, OWN]) {
    await destroyGuest(name);
    await undefineGuest(name);
  }
  await rm(directory, { recursive: true, force: true });
});

describe('a managed save image, as a user without any rights sees it', () => {
  test('decides on the machine type, whatever the definition says by now', async () => {
    expect(await seen()).toEqual({ machine: 'pc-q35-3.1', isSaved: 0, blocked: [0, 0, 0] });
    await startGuest(SAVED);
    await virsh(['managedsave', SAVED]);
    await defineGuest(haltedGuest(SAVED, { machine: 'pc-q35-7.2' }));
    expect(await seen()).toEqual({ machine: 'pc-q35-3.1', isSaved: 1, blocked: [0, 0, 0] });
  });

  test('that is removed leaves the definition', async () => {
    await virsh(['managedsave-remove', SAVED]);
    expect(await seen()).toEqual({ machine: 'pc-q35-7.2', isSaved: 0, blocked: [0, 0, 0] });
  });
});

test('an emulator that is gone blocks the next start, and libvirt agrees', async () => {
  const blocked = async () =>
    (await exporter.scrape()).value('libvirt_domain_start_blocked', { domain: OWN, reason: 'emulator' });
  expect(await blocked()).toBe(0);
  await chmod(emulator, 0o644);
  expect(await blocked()).toBe(1);
  await expect(startGuest(OWN)).rejects.toThrow(/emulator|Permission denied|not executable/i);
  await chmod(emulator, 0o755);
  expect(await blocked()).toBe(0);
  await rm(emulator);
  expect(await blocked()).toBe(1);
});

test('a user who runs a process with the UUID of a domain hides nothing of the domain', async () => {
  await startGuest(SAVED);
  const started = (await exporter.scrape()).value('libvirt_domain_start_time_seconds', saved);
  expect(started).toBeGreaterThan(0);
  const uuid = (await virsh(['domuuid', SAVED])).trim();
  const words = ['-e', 'console.log(1); setTimeout(() => {}, 600_000)', '--', '-uuid', uuid];
  const { uid, gid } = program;
  const rival: ChildProcess = spawn(program.node, words, { uid, gid, stdio: ['ignore', 'pipe', 'ignore'] });
  const second = await once(rival.stdout ?? rival, 'data').then(() => startProgram(program));
  try {
    const scrape = await second.scrape();
    expect(scrape.value('libvirt_domain_start_time_seconds', saved)).toBe(started);
    expect(scrape.value('libvirt_domain_qemu_outdated', saved)).toBe(0);
  } finally {
    await second.stop();
    rival.kill();
    await once(rival, 'exit');
  }
});
