import { execFileSync, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { copyFile, mkdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { findQemuProcesses, type QemuProcess } from '../../../src/host/qemu-process.ts';
import {
  BOOT_SECONDS,
  createFakeProc,
  type FakeProc,
  qemuCommandLine,
  temporaryDirectory,
} from './fake-proc.ts';

const A = '1e78b922-af0e-4f1f-8331-2e49257760ae';
const CGROUPS = '/sys/fs/cgroup';
const B = '5f0c6d1c-54cb-4b36-8f3c-2c1f0f7b8b11';

let directory: string;
let proc: FakeProc;

beforeEach(async () => {
  directory = await temporaryDirectory();
  proc = await createFakeProc(join(directory, 'proc'));
});

afterEach(() => rm(directory, { recursive: true }));

const found = async (): Promise<Record<string, QemuProcess>> =>
  Object.fromEntries(await findQemuProcesses(proc.path, CGROUPS));

describe('findQemuProcesses', () => {
  test('finds domains among all processes by the uuid on their command lines', async () => {
    await proc.add({ pid: 1, commandLine: ['/sbin/init'], startTicks: 1 });
    await proc.add({ pid: 2, commandLine: [], comm: 'kthreadd', startTicks: 1 });
    await proc.add({ pid: 70, commandLine: qemuCommandLine(A), startTicks: 12_345, cpuTicks: [250, 50] });
    await proc.add({ pid: 71, commandLine: qemuCommandLine(B), startTicks: 100 });
    const unknown = { binary: undefined, cpuSource: undefined };
    expect(await found()).toEqual({
      [A]: {
        pid: 70,
        startSeconds: BOOT_SECONDS + 123.45,
        startAfterBootSeconds: 123.45,
        cpuSeconds: 3,
        ...unknown,
      },
      [B]: {
        pid: 71,
        startSeconds: BOOT_SECONDS + 1,
        startAfterBootSeconds: 1,
        cpuSeconds: 0,
        ...unknown,
      },
    });
  });

  test('a uuid in capitals is the same uuid', async () => {
    await proc.add({ pid: 70, commandLine: qemuCommandLine(A.toUpperCase()), startTicks: 0 });
    expect(Object.keys(await found())).toEqual([A]);
  });

  test.each([
    ['without a uuid', ['/usr/bin/qemu-system-x86_64', '-S']],
    ['with the uuid inside another word', ['editor', `notes -uuid ${A}.txt`]],
    ['with a longer option', ['qemu', '-uuid-like', A]],
    ['that is the option alone', ['-uuid', A]],
  ])('a command line %s is no domain', async (_case, commandLine) => {
    await proc.add({ pid: 70, commandLine, startTicks: 1 });
    expect(await found()).toEqual({});
  });

  test('a uuid that two processes claim is left out where nothing tells them apart, the others stay', async () => {
    await proc.add({ pid: 70, commandLine: qemuCommandLine(A), startTicks: 1 });
    await proc.add({ pid: 71, commandLine: ['sleep', '-uuid', A.toUpperCase()], startTicks: 2 });
    await proc.add({ pid: 72, commandLine: ['sleep', '-uuid', A], startTicks: 3 });
    await proc.add({ pid: 73, commandLine: qemuCommandLine(B), startTicks: 4 });
    expect(Object.keys(await found())).toEqual([B]);
  });

  test.each([
    ['qemu-system-x86'],
    ['a b c'],
    ['brackets) S 1 2 3 (x'],
    [')'],
    ['('],
    [') R 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 77 ('],
    [''],
    ['näme\nline'],
  ])('a process called %j: its start time is read', async (comm) => {
    await proc.add({ pid: 70, commandLine: qemuCommandLine(A), comm, startTicks: 500 });
    expect((await found())[A]?.startSeconds).toBe(BOOT_SECONDS + 5);
  });

  test.each([
    ['cannot be read', undefined],
    ['is empty', ''],
    ['is cut', '70 (qemu) S 1 2 3'],
    ['has words for numbers', `70 (qemu) S ${'x '.repeat(40)}`],
  ])('a process whose stat %s is left out', async (_case, text) => {
    await proc.add({ pid: 70, commandLine: qemuCommandLine(A) });
    if (text !== undefined) await writeFile(join(proc.path, '70', 'stat'), text);
    await proc.add({ pid: 71, commandLine: qemuCommandLine(B), startTicks: 1 });
    expect(Object.keys(await found())).toEqual([B]);
  });

  test('processes that have ended, or that cannot be read, are left out', async () => {
    await proc.add({ pid: 70 });
    await symlink(join(directory, 'gone'), join(proc.path, '71'));
    await writeFile(join(proc.path, '72'), 'not a directory');
    await proc.add({ pid: 73, commandLine: qemuCommandLine(B), startTicks: 1 });
    expect(Object.keys(await found())).toEqual([B]);
  });

  test('a process has its source of processor time, by its cgroup', async () => {
    const scope = '/machine.slice/machine-qemu\\x2d1\\x2dvm.scope';
    const cgroup = `0::${scope}/libvirt/emulator\n`;
    await proc.add({ pid: 70, commandLine: qemuCommandLine(A), startTicks: 1, cgroup });
    await proc.add({ pid: 71, commandLine: qemuCommandLine(B), startTicks: 1, cgroup: '0::/\n' });
    const processes = await found();
    expect(processes[A]?.cpuSource).toEqual({ kind: 'cgroup2', directory: `${CGROUPS}${scope}` });
    expect(processes[B]?.cpuSource).toEqual({ kind: 'process' });
  });

  test('without a boot time no process is found', async () => {
    const strange = await createFakeProc(join(directory, 'strange'), 'btime soon\n');
    await strange.add({ pid: 70, commandLine: qemuCommandLine(A), startTicks: 1 });
    expect((await findQemuProcesses(strange.path, CGROUPS)).size).toBe(0);
  });

  test('without a /proc it rejects', async () => {
    await expect(findQemuProcesses(join(directory, 'none'), CGROUPS)).rejects.toThrow('ENOENT');
  });

  test('many processes at once', async () => {
    const pids = Array.from({ length: 200 }, (_, index) => index + 1);
    const uuid = (pid: number): string => A.replace(/.{4}$/, String(pid).padStart(4, '0'));
    for (const pid of pids) await proc.add({ pid, commandLine: qemuCommandLine(uuid(pid)), startTicks: pid });
    const processes = await findQemuProcesses(proc.path, CGROUPS);
    expect(pids.map((pid) => processes.get(uuid(pid))?.pid)).toEqual(pids);
  });
});

describe('a user who starts a process with the uuid of a domain', () => {
  const scope = '/machine.slice/machine-qemu\\x2d1\\x2dvm.scope';
  const session = '/user.slice/user-1000.slice/user@1000.service';
  const forged = ['sleep', '-uuid', A];

  test.each([
    ['with systemd', `0::${scope}/libvirt/emulator\n`, 64_055],
    ['without systemd', '4:memory:/machine/qemu-1-vm.libvirt-qemu\n0::/\n', 0],
    ['in another partition', '0::/production.slice/machine-qemu\\x2d1\\x2dvm.scope\n', 107],
    ['seen from a cgroup namespace', `0::/../..${scope}\n`, 64_055],
    ['run as an ordinary user', `0::${scope}\n`, 1_000],
    ['without a cgroup, as root', '0::/\n', 0],
    ["without a cgroup, as QEMU's user", '0::/system.slice/libvirtd.service\n', 107],
    ["without a cgroup, as Debian's user of QEMU", '0::/system.slice/libvirtd.service\n', 64_055],
    ["of the exporter's own session", `0::${session}/app.slice\n`, 1_234],
  ])("does not hide a domain's process %s", async (_case, cgroup, uid) => {
    const rivals = [
      `0::${session}/app.slice\n`,
      `0::${session}/machine-qemu\\x2d1\\x2dvm.scope\n`,
      `0::/user.slice/user-1000.slice${scope}\n`,
      `0::/user/1000.user/qemu-1-vm.libvirt-qemu-x/..\n`,
      '0::/\n',
    ];
    await proc.add({ pid: 900, commandLine: qemuCommandLine(A), startTicks: 500, cgroup, uid });
    for (const [index, rival] of rivals.entries())
      for (const pid of [70 + index, 1_000 + index])
        await proc.add({ pid, commandLine: forged, startTicks: 1, cgroup: rival, uid: 1_000 });
    for (const wanted of [undefined, new Set([A])]) {
      const processes = await findQemuProcesses(proc.path, CGROUPS, wanted, 1_234);
      expect([...processes.values()].map(({ pid }) => pid)).toEqual([900]);
    }
  });

  test('does not hide it with a process whose user cannot be read', async () => {
    await proc.add({ pid: 70, commandLine: forged, startTicks: 1 });
    await proc.add({ pid: 71, commandLine: qemuCommandLine(A), startTicks: 2, uid: 0 });
    expect((await found())[A]?.pid).toBe(71);
  });

  test('is not read at all where all domains are found by their cgroups', async () => {
    await proc.add({ pid: 70, commandLine: qemuCommandLine(A), startTicks: 1, cgroup: `0::${scope}\n` });
    await mkdir(join(proc.path, '71'));
    // A pipe without a writer: reading it hangs.
    execFileSync('mkfifo', [join(proc.path, '71', 'cmdline')]);
    const processes = await findQemuProcesses(proc.path, CGROUPS, new Set([A]));
    expect(processes.get(A)?.pid).toBe(70);
  });

  test('a process alone with a uuid is taken as before', async () => {
    await proc.add({ pid: 70, commandLine: forged, startTicks: 1, uid: 1_000 });
    expect((await found())[A]?.pid).toBe(70);
  });
});

describe('the binary that a process runs', () => {
  test('is the target of its exe link', async () => {
    const exe = join(directory, 'qemu');
    await writeFile(exe, '');
    await proc.add({ pid: 70, commandLine: qemuCommandLine(A), startTicks: 1, exe });
    const { dev, ino } = await stat(exe);
    expect((await found())[A]?.binary).toEqual({ path: exe, dev, ino });
  });

  test('keeps the path it was started from when its name is gone', async () => {
    const exe = join(directory, 'qemu (deleted)');
    await writeFile(exe, '');
    await proc.add({ pid: 70, commandLine: qemuCommandLine(A), startTicks: 1, exe });
    const { dev, ino } = await stat(exe);
    expect((await found())[A]?.binary).toEqual({ path: join(directory, 'qemu'), dev, ino });
  });

  test('is unknown when the link has no target or is no link', async () => {
    await proc.add({ pid: 70, commandLine: qemuCommandLine(A), startTicks: 1, exe: join(directory, 'none') });
    await proc.add({ pid: 71, commandLine: qemuCommandLine(B), startTicks: 1 });
    await writeFile(join(proc.path, '71', 'exe'), '');
    const processes = await found();
    expect([processes[A]?.binary, processes[B]?.binary]).toEqual([undefined, undefined]);
    expect(processes[A]?.pid).toBe(70);
  });

  test('of a real process is another file after its package was upgraded', async () => {
    const uuid = randomUUID();
    const emulator = join(directory, 'qemu-system-x86_64');
    await copyFile('/bin/sh', emulator);
    const before = await stat(emulator);
    const begun = Date.now() / 1000;
    const child = spawn(emulator, ['-c', 'echo ready; read line', 'sh', '-uuid', uuid]);
    try {
      await once(child.stdout, 'data');
      const running = (await findQemuProcesses('/proc', CGROUPS)).get(uuid);
      expect(running?.pid).toBe(child.pid);
      expect(running?.binary).toEqual({ path: emulator, dev: before.dev, ino: before.ino });
      expect(Math.abs((running?.startSeconds ?? 0) - begun)).toBeLessThan(5);

      await copyFile('/bin/sh', `${emulator}.new`);
      await rm(emulator);
      const upgraded = (await findQemuProcesses('/proc', CGROUPS)).get(uuid);
      expect(upgraded?.binary).toEqual(running?.binary);
      await copyFile(`${emulator}.new`, emulator);
      expect((await stat(emulator)).ino === before.ino).toBe(false);
    } finally {
      child.stdin.end();
      await once(child, 'exit');
    }
  });
});
