import { execFile, spawn } from 'node:child_process';
import { promisify, types } from 'node:util';

const execFileAsync = promisify(execFile);

export interface RunOptions {
  readonly timeoutMs?: number;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
}

/** A program failed. The message is what it wrote to standard error, or else why it ended. */
export class CommandError extends Error {
  readonly stderr: string;

  constructor(command: string, reason: string, stderr: string) {
    super(`${command}: ${stderr.trim() === '' ? reason : stderr.trim()}`);
    this.name = 'CommandError';
    this.stderr = stderr;
  }
}

const textOf = (error: object, key: string): string => {
  const value: unknown = Reflect.get(error, key);
  return typeof value === 'string' ? value : '';
};

/** Runs a program without a shell and returns its standard output; always bounded in time. */
export async function run(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const timeout = options.timeoutMs ?? 30_000;
  try {
    const { stdout } = await execFileAsync(program, [...args], {
      timeout,
      killSignal: 'SIGKILL',
      maxBuffer: 64 * 1024 * 1024,
      env: { ...process.env, LC_ALL: 'C', ...options.env },
      cwd: options.cwd,
    });
    return stdout;
  } catch (error) {
    // Not `instanceof`: under Jest, Node's own errors come from another realm.
    if (!types.isNativeError(error)) throw error;
    const timedOut = Reflect.get(error, 'killed') === true;
    const reason = timedOut ? `not ended within ${timeout} ms` : error.message;
    throw new CommandError([program, ...args].join(' '), reason, timedOut ? '' : textOf(error, 'stderr'));
  }
}

/** Runs a program whose output a person watches, on standard error. */
export async function runShown(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<void> {
  const child = spawn(program, [...args], {
    stdio: ['ignore', process.stderr, process.stderr],
    env: { ...process.env, ...options.env },
    cwd: options.cwd,
    timeout: options.timeoutMs ?? 600_000,
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) {
    throw new CommandError([program, ...args].join(' '), `ended with ${code ?? child.signalCode}`, '');
  }
}
