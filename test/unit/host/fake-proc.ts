import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const BOOT_SECONDS = 1_700_000_000;

export interface FakeProcess {
  readonly pid: number;
  /** Words of the command line; undefined for a process without one that can be read. */
  readonly commandLine?: readonly string[];
  /** Name as it stands in brackets in `stat`. */
  readonly comm?: string;
  /** Clock ticks since boot; undefined for a process whose `stat` cannot be read. */
  readonly startTicks?: number;
  /** Ticks in user and in kernel mode. */
  readonly cpuTicks?: readonly [number, number];
  /** Where the `exe` link leads; undefined for one that cannot be read. */
  readonly exe?: string;
}

/** A directory laid out as /proc. */
export interface FakeProc {
  readonly path: string;
  readonly add: (process: FakeProcess) => Promise<void>;
  readonly end: (pid: number) => Promise<void>;
}

export function temporaryDirectory(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'host-test-'));
}

export async function createFakeProc(path: string, boot = `btime ${BOOT_SECONDS}\n`): Promise<FakeProc> {
  await mkdir(path, { recursive: true });
  await writeFile(join(path, 'stat'), `cpu  1 2 3 4\nintr 5 6\nctxt 7\n${boot}processes 8\n`);
  await writeFile(join(path, 'uptime'), '1.00 1.00\n');
  await mkdir(join(path, 'sys'));
  return {
    path,
    add: (process) => addProcess(path, process),
    end: (pid) => rm(join(path, String(pid)), { recursive: true }),
  };
}

/** The command line that libvirt gives a domain, shortened. */
export function qemuCommandLine(uuid: string, name = 'vm'): string[] {
  return [
    '/usr/bin/qemu-system-x86_64',
    '-name',
    `guest=${name},debug-threads=on`,
    '-S',
    '-uuid',
    uuid,
    '-no-user-config',
  ];
}

async function addProcess(proc: string, process: FakeProcess): Promise<void> {
  const { pid, commandLine, comm = 'qemu-system-x86', startTicks, cpuTicks = [0, 0], exe } = process;
  const directory = join(proc, String(pid));
  await mkdir(directory);
  if (commandLine === undefined) await mkdir(join(directory, 'cmdline'));
  else await writeFile(join(directory, 'cmdline'), commandLine.map((word) => `${word}\0`).join(''));
  if (startTicks !== undefined) {
    // Fields 3 to 52 of proc(5); the start time is the 22nd.
    const fields = Array.from({ length: 50 }, (_, index) => index + 1_000_000);
    fields[19] = startTicks;
    fields.splice(11, 2, ...cpuTicks);
    await writeFile(join(directory, 'stat'), `${pid} (${comm}) S ${fields.slice(1).join(' ')}\n`);
  }
  if (exe !== undefined) await symlink(exe, join(directory, 'exe'));
}
