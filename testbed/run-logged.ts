import { spawn } from 'node:child_process';
import { mkdir, open, readFile } from 'node:fs/promises';
import { dirname, relative } from 'node:path';
import { CommandError, type RunOptions } from './exec.ts';
import { ROOT, STATE_DIR } from './paths.ts';

/** What package managers and compilers print. scripts/bootstrap.mjs writes to the same file. */
const INSTALL_LOG = `${STATE_DIR}/install.log`;
/** The log's path as it is printed, relative to the repository. */
export const INSTALL_LOG_NAME: string = relative(ROOT, INSTALL_LOG);

const TAIL_LINES = 20;
const TIMEOUT_MS = 600_000;

export interface LoggedRunOptions extends RunOptions {
  readonly logFile?: string;
}

/**
 * Runs a program whose output matters only when the program fails: the output goes to a log file, and the last lines of
 * the output are in the error's message. Rejects with CommandError.
 */
export async function runLogged(
  program: string,
  args: readonly string[],
  options: LoggedRunOptions = {},
): Promise<void> {
  const command = [program, ...args].join(' ');
  const logFile = options.logFile ?? INSTALL_LOG;
  await mkdir(dirname(logFile), { recursive: true });
  const log = await open(logFile, 'a');
  try {
    await log.write(`\n== ${new Date().toISOString()} ${command}\n`);
    const { size: before } = await log.stat();
    const child = spawn(program, [...args], {
      stdio: ['ignore', log.fd, log.fd],
      env: { ...process.env, ...options.env },
      cwd: options.cwd,
    });
    // Not spawn's own `timeout`: its timer goes on when the program cannot be started.
    const timer = setTimeout(() => child.kill(), options.timeoutMs ?? TIMEOUT_MS);
    const end = await new Promise<string | undefined>((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('close', (code, signal) => resolve(code === 0 ? undefined : `exit ${code ?? signal}`));
    });
    clearTimeout(timer);
    if (end === undefined) return;
    const printed = (await readFile(logFile)).subarray(before).toString().trimEnd();
    const tail = printed.split('\n').slice(-TAIL_LINES).join('\n    ');
    const name = logFile === INSTALL_LOG ? INSTALL_LOG_NAME : logFile;
    throw new CommandError(command, end, `${end} (whole output: ${name})\n    ${tail}`);
  } finally {
    await log.close();
  }
}
