import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { forEachLimited } from '../concurrency.ts';

/** What /proc tells of a running QEMU. */
export interface QemuProcess {
  readonly pid: number;
  /** Unix time in seconds. */
  readonly startSeconds: number;
  /** Processor time it had used when it was found. */
  readonly cpuSeconds: number;
  /** The binary it runs; undefined without the right to look (root or the QEMU user's own). */
  readonly binary: RunningBinary | undefined;
}

export interface RunningBinary {
  /** Where the binary was when it was started. */
  readonly path: string;
  readonly dev: number;
  readonly ino: number;
}

const MAX_PROCESSES = 100_000;
/** A command line that hangs holds one of Node's four threads for files, which gzip needs, too. */
const READS_IN_FLIGHT = 2;
/** /proc reports process times in USER_HZ, which is 100 for every architecture's user space (proc(5)). */
const TICKS_PER_SECOND = 100;
const DELETED = ' (deleted)';

/**
 * Finds the QEMU processes of domains by the `-uuid` that libvirt puts on their command lines, which every
 * user may read unless /proc is mounted with hidepid. A UUID that two processes claim is left out: one of
 * them is not libvirt's.
 */
export async function findQemuProcesses(proc: string): Promise<ReadonlyMap<string, QemuProcess>> {
  const pids = (await readdir(proc)).filter((name) => /^\d+$/.test(name)).slice(0, MAX_PROCESSES);
  const claims = new Map<string, string[]>();
  await forEachLimited(pids, READS_IN_FLIGHT, async (pid) => {
    const uuid = await readUuidArgument(join(proc, pid, 'cmdline'));
    if (uuid !== undefined) claims.set(uuid, [...(claims.get(uuid) ?? []), pid]);
  });
  const bootSeconds = await readBootTime(proc);
  const found = new Map<string, QemuProcess>();
  for (const [uuid, [pid, rival]] of claims) {
    if (pid === undefined || rival !== undefined || bootSeconds === undefined) continue;
    const times = await readTimes(join(proc, pid, 'stat'), bootSeconds);
    if (times === undefined) continue;
    found.set(uuid, { pid: Number(pid), ...times, binary: await readBinary(join(proc, pid, 'exe')) });
  }
  return found;
}

async function readUuidArgument(path: string): Promise<string | undefined> {
  const commandLine = await readText(path);
  if (commandLine === undefined || !commandLine.includes('\0-uuid\0')) return undefined;
  const words = commandLine.split('\0');
  return words[words.indexOf('-uuid') + 1]?.toLowerCase();
}

async function readBootTime(proc: string): Promise<number | undefined> {
  const match = /^btime (\d+)$/m.exec((await readText(join(proc, 'stat'))) ?? '');
  return match === null ? undefined : Number(match[1]);
}

async function readTimes(
  path: string,
  bootSeconds: number,
): Promise<Pick<QemuProcess, 'startSeconds' | 'cpuSeconds'> | undefined> {
  const text = await readText(path);
  // The second field is the command's name in brackets, which may itself hold brackets and blanks.
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ');
  const seconds = (field: number): number => Number(fields?.[field - 3]) / TICKS_PER_SECOND;
  const startSeconds = bootSeconds + seconds(22);
  const cpuSeconds = seconds(14) + seconds(15);
  return Number.isFinite(startSeconds + cpuSeconds) ? { startSeconds, cpuSeconds } : undefined;
}

async function readBinary(path: string): Promise<RunningBinary | undefined> {
  try {
    const target = await readlink(path);
    // Following the link reaches the running binary even after its name is gone.
    const { dev, ino } = await stat(path);
    return { path: target.endsWith(DELETED) ? target.slice(0, -DELETED.length) : target, dev, ino };
  } catch {
    return undefined;
  }
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return undefined; // the process ended, or is not ours to look at
  }
}
