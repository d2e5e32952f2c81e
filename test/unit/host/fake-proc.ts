import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
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
  /** State of the main thread, as `stat` has it. */
  readonly state?: string;
  /** Target of the `exe` link; undefined for one that cannot be read. */
  readonly exe?: string;
  /** Text of `cgroup`; undefined for a file that cannot be read. */
  readonly cgroup?: string;
  /** Real user in `status`; undefined for a file that cannot be read. */
  readonly uid?: number;
}

/** A directory laid out as /proc. */
export interface FakeProc {
  readonly path: string;
  readonly add: (process: FakeProcess) => Promise<void>;
  readonly setState: (pid: number, state: string) => Promise<void>;
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
    setState: async (pid, state) => {
      const file = join(path, String(pid), 'stat');
      await writeFile(file, (await readFile(file, 'utf8')).replace(/\) \S /, `) ${state} `));
    },
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
  const { pid, commandLine, comm = 'qemu-system-x86', startTicks, exe, cgroup, uid } = process;
  const directory = join(proc, String(pid));
  await mkdir(directory);
  if (commandLine === undefined) await mkdir(join(directory, 'cmdline'));
  else await writeFile(join(directory, 'cmdline'), commandLine.map((word) => `${word}\0`).join(''));
  if (startTicks !== undefined) {
    const text = processStatText({ ...process, comm, startTicks });
    await writeFile(join(directory, 'stat'), text);
  }
  if (exe !== undefined) await symlink(exe, join(directory, 'exe'));
  if (uid !== undefined) {
    const ids = [uid, 0, 0, 0].join('\t');
    await writeFile(join(directory, 'status'), `Name:\t${comm}\nTgid:\t${pid}\nUid:\t${ids}\nGid:\t0\n`);
  }
  if (cgroup !== undefined) await writeFile(join(directory, 'cgroup'), cgroup);
}

/** The text of `/proc/PID/stat`: fields 1 to 52 of proc(5). */
export function processStatText({
  pid,
  comm = 'qemu-system-x86',
  state = 'S',
  cpuTicks = [0, 0],
  startTicks = 0,
}: Omit<FakeProcess, 'commandLine' | 'exe' | 'cgroup' | 'uid'>): string {
  const fields = Array.from({ length: 50 }, (_, index) => index + 1_000_000);
  // utime and stime are fields 14 and 15, starttime is field 22.
  fields.splice(11, 2, ...cpuTicks);
  fields[19] = startTicks;
  return `${pid} (${comm}) ${state} ${fields.slice(1).join(' ')}\n`;
}
