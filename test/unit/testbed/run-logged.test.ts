import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { runLogged } from '../../../testbed/run-logged.ts';

let directory: string;
let logFile: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'run-logged-'));
  logFile = join(directory, 'logs/install.log');
});

afterEach(() => rm(directory, { recursive: true, force: true }));

const shell = (script: string, options: { timeoutMs?: number } = {}): Promise<void> =>
  runLogged('sh', ['-c', script], { logFile, ...options });

async function failure(run: Promise<void>): Promise<string> {
  const error = await run.then(
    () => undefined,
    (reason: Error) => reason,
  );
  return error?.message ?? 'it did not fail';
}

test('keeps both streams in the log, below the command and after what was there', async () => {
  await shell('echo first');
  await shell('echo out; echo err >&2');
  const log = await readFile(logFile, 'utf8');
  expect(log).toMatch(/ sh -c echo first\nfirst\n\n== .* sh -c echo out; echo err >&2\nout\nerr\n$/);
});

test('a failure has the last lines of this run alone, and the name of the log', async () => {
  await shell('echo of an earlier run');
  const message = await failure(
    shell('i=0; while [ $i -lt 100 ]; do i=$((i + 1)); echo "line $i"; done; exit 3'),
  );
  expect(message).toContain(`exit 3 (whole output: ${logFile})`);
  const lines = message.split('\n').map((line) => line.trim());
  expect(lines.slice(-20)).toEqual(Array.from({ length: 20 }, (_, index) => `line ${index + 81}`));
  expect(message).not.toContain('an earlier run');
});

test('a program that is not there is a failure', async () => {
  expect(await failure(runLogged('no-such-program', [], { logFile }))).toContain('ENOENT');
});

test('a program that does not end in time is ended', async () => {
  expect(await failure(shell('exec sleep 60', { timeoutMs: 100 }))).toContain('exit SIGTERM');
});

test('a log that cannot be written is a failure', async () => {
  await writeFile(join(directory, 'logs'), 'a file where the folder should be');
  expect(await failure(shell('true'))).toContain('logs');
});
