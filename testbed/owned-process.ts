import { spawn } from 'node:child_process';
import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { RUN_DIR } from './paths.ts';
import { waitFor } from './wait.ts';

const recordFile = (name: string): string => `${RUN_DIR}/${name}.pid`;
const logFile = (name: string): string => `${RUN_DIR}/${name}.log`;

/**
 * Starts a daemon in the foreground, detached from this process, and records its process id before the daemon is ready:
 * when the rig ends in between, the next run still finds the daemon.
 */
export async function startOwned(name: string, program: string, args: readonly string[]): Promise<void> {
  await mkdir(RUN_DIR, { recursive: true });
  const log = await open(logFile(name), 'a');
  try {
    const child = spawn(program, [...args], {
      detached: true,
      cwd: '/',
      stdio: ['ignore', log.fd, log.fd],
      // A root shell from `su` may lack the sbin directories, where the daemons are.
      env: { PATH: `${process.env.PATH ?? ''}:/usr/sbin:/usr/bin:/sbin:/bin`, LC_ALL: 'C' },
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    child.unref();
    if (child.pid === undefined) throw new Error(`${program} did not start`);
    const ticks = await startTicks(child.pid);
    await writeFile(recordFile(name), `${child.pid} ${ticks ?? 0}\n`);
  } finally {
    await log.close();
  }
}

/** Process id of a daemon that the rig started and that still runs. */
export async function ownedPid(name: string): Promise<number | undefined> {
  const record = await readFile(recordFile(name), 'utf8').catch(() => '');
  const [pid, ticks] = record.trim().split(' ').map(Number);
  if (pid === undefined || ticks === undefined || pid <= 1) return undefined;
  // Another start time: the process id belongs to another process by now.
  return (await startTicks(pid)) === ticks ? pid : undefined;
}

/** Ends a daemon that the rig started and waits for its end; does nothing to a daemon of others. */
export async function stopOwned(name: string, signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
  const pid = await ownedPid(name);
  if (pid !== undefined) {
    process.kill(pid, signal);
    await waitFor(async () => ((await ownedPid(name)) === undefined ? true : undefined), {
      what: `${name} (${pid}) to end`,
      timeoutMs: 30_000,
      everyMs: 50,
    });
  }
  await rm(recordFile(name), { force: true });
}

/** The last lines of a daemon's log, for error messages. */
export async function ownedLogTail(name: string): Promise<string> {
  const text = await readFile(logFile(name), 'utf8').catch(() => '');
  return text.trimEnd().split('\n').slice(-15).join('\n');
}

async function startTicks(pid: number): Promise<number | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (stat === undefined) return undefined;
  // The command name, in parentheses, may hold blanks; the state comes right after it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' ? undefined : Number(fields[19]);
}
