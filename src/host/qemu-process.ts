import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { forEachLimited } from '../concurrency.ts';
import { type CpuSource, findCpuSource } from './cpu-times.ts';
import { parseProcessStat } from './process-stat.ts';

/** A running QEMU's values from /proc. */
export interface QemuProcess {
  readonly pid: number;
  /** Unix time in seconds. */
  readonly startSeconds: number;
  /** Processor time of the process when it was found, in seconds. */
  readonly cpuSeconds: number;
  /** The binary of the process; undefined unless the exporter runs as root or as the QEMU user. */
  readonly binary: RunningBinary | undefined;
  /** Source of the processor time; undefined where only libvirt can read it. */
  readonly cpuSource: CpuSource | undefined;
}

interface RunningBinary {
  /** Path of the binary when it was started. */
  readonly path: string;
  readonly dev: number;
  readonly ino: number;
}

const MAX_PROCESSES = 100_000;
/** A read that hangs occupies one of the four threads that Node.js has for files and gzip. */
const READS_IN_FLIGHT = 2;
const DELETED = ' (deleted)';

/**
 * Finds the QEMU processes of domains by the `-uuid` that libvirt writes on their command lines. Every user may read these
 * unless /proc is mounted with hidepid. A UUID of two processes is left out: libvirt did not start one of them.
 */
export async function findQemuProcesses(
  proc: string,
  cgroupRoot: string,
): Promise<ReadonlyMap<string, QemuProcess>> {
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
    const binary = await readBinary(join(proc, pid, 'exe'));
    const cgroups = await readText(join(proc, pid, 'cgroup'));
    const cpuSource = cgroups === undefined ? undefined : findCpuSource(cgroups, cgroupRoot);
    found.set(uuid, { pid: Number(pid), ...times, binary, cpuSource });
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
  const stat = parseProcessStat((await readText(path)) ?? '');
  if (stat === undefined) return undefined;
  return {
    startSeconds: bootSeconds + stat.startSeconds,
    cpuSeconds: stat.userSeconds + stat.systemSeconds,
  };
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
    return undefined; // the process has ended, or the exporter may not read its files
  }
}
