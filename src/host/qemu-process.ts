import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { forEachLimited } from '../concurrency.ts';
import { type CpuSource, findCpuSource } from './cpu-times.ts';
import { parseProcessStat } from './process-stat.ts';
import { cgroupRank, userRank } from './qemu-claim.ts';

/** A running QEMU's values from /proc. */
export interface QemuProcess {
  readonly pid: number;
  /** Unix time in seconds. */
  readonly startSeconds: number;
  /** The same in seconds after the host's boot, which a step of the clock does not change. */
  readonly startAfterBootSeconds: number;
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

interface Claim {
  readonly pid: string;
  readonly uuid: string;
  /** How certain it is that libvirt started the process; see {@link cgroupRank} and {@link userRank}. */
  readonly rank: number;
}

/**
 * Finds the QEMU processes of domains by the `-uuid` that libvirt writes on their command lines. Every user may read these
 * unless /proc is mounted with hidepid, and every user may start a process with such a command line. Of several processes
 * with one UUID, libvirt's is the one whose cgroup or user another process cannot have. A UUID is left out when these do not
 * decide.
 *
 * @param wanted UUIDs of the running domains. When domains' cgroups have all of them, no other command line is read: a
 *   process can make the reader of its command line hang.
 */
export async function findQemuProcesses(
  proc: string,
  cgroupRoot: string,
  wanted?: ReadonlySet<string>,
  ownUid = process.getuid?.(),
): Promise<ReadonlyMap<string, QemuProcess>> {
  const pids = (await readdir(proc)).filter((name) => /^\d+$/.test(name)).slice(0, MAX_PROCESSES);
  const claims = await findClaims(proc, pids, wanted, ownUid);
  const bootSeconds = await readBootTime(proc);
  const found = new Map<string, QemuProcess>();
  for (const [uuid, rivals] of claims) {
    const [first, second] = rivals.sort((a, b) => b.rank - a.rank);
    if (first === undefined || first.rank === second?.rank || bootSeconds === undefined) continue;
    const { pid } = first;
    const times = await readTimes(join(proc, pid, 'stat'), bootSeconds);
    if (times === undefined) continue;
    const binary = await readBinary(join(proc, pid, 'exe'));
    const cgroups = await readText(join(proc, pid, 'cgroup'));
    const cpuSource = cgroups === undefined ? undefined : findCpuSource(cgroups, cgroupRoot);
    found.set(uuid, { pid: Number(pid), ...times, binary, cpuSource });
  }
  return found;
}

async function findClaims(
  proc: string,
  pids: readonly string[],
  wanted: ReadonlySet<string> | undefined,
  ownUid: number | undefined,
): Promise<ReadonlyMap<string, Claim[]>> {
  const claims = new Map<string, Claim[]>();
  const addClaim = async (pid: string, rank: () => Promise<number>): Promise<void> => {
    const uuid = await readUuidArgument(join(proc, pid, 'cmdline'));
    if (uuid !== undefined)
      claims.set(uuid, [...(claims.get(uuid) ?? []), { pid, uuid, rank: await rank() }]);
  };
  const others: string[] = [];
  await forEachLimited(pids, READS_IN_FLIGHT, async (pid) => {
    const rank = cgroupRank((await readText(join(proc, pid, 'cgroup'))) ?? '');
    if (rank === 0) others.push(pid);
    else await addClaim(pid, async () => rank);
  });
  if (wanted !== undefined && [...wanted].every((uuid) => claims.has(uuid))) return claims;
  await forEachLimited(others, READS_IN_FLIGHT, (pid) =>
    addClaim(pid, async () => {
      const uid = await readUser(join(proc, pid, 'status'));
      return uid === undefined ? 0 : userRank(uid, ownUid);
    }),
  );
  return claims;
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
): Promise<Pick<QemuProcess, 'startSeconds' | 'startAfterBootSeconds' | 'cpuSeconds'> | undefined> {
  const stat = parseProcessStat((await readText(path)) ?? '');
  if (stat === undefined) return undefined;
  return {
    startSeconds: bootSeconds + stat.startSeconds,
    startAfterBootSeconds: stat.startSeconds,
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

/**
 * The real user of a process. The owner of `/proc/PID` is not used: it is root for a process that made itself undumpable,
 * which every user can do (proc(5)).
 */
async function readUser(path: string): Promise<number | undefined> {
  const uid = /^Uid:\t(\d+)\t/m.exec((await readText(path)) ?? '')?.[1];
  return uid === undefined ? undefined : Number(uid);
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return undefined; // the process has ended, or the exporter may not read its files
  }
}
