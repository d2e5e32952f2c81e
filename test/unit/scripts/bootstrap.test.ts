import { spawnSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from '@jest/globals';

const BOOTSTRAP = fileURLToPath(new URL('../../../scripts/bootstrap.mjs', import.meta.url));
const LOCKED = { '': {}, 'node_modules/a': { version: '1.0.0' }, 'node_modules/b': { version: '2.0.0' } };

let checkout: string;

beforeEach(async () => {
  checkout = await mkdtemp(join(tmpdir(), 'bootstrap-'));
  await mkdir(join(checkout, 'scripts'));
  await cp(BOOTSTRAP, join(checkout, 'scripts/bootstrap.mjs'));
  await lock('package-lock.json', LOCKED);
});

afterEach(() => rm(checkout, { recursive: true, force: true }));

async function lock(file: string, packages: object): Promise<void> {
  await mkdir(dirname(join(checkout, file)), { recursive: true });
  await writeFile(join(checkout, file), JSON.stringify({ packages }));
}

const installed = (packages: object): Promise<void> => lock('node_modules/.package-lock.json', packages);

/** Runs bootstrap.mjs where `npm` is this shell script. */
async function bootstrap(npm: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}) {
  const bin = join(checkout, 'bin');
  await mkdir(bin);
  await writeFile(join(bin, 'npm'), `#!/bin/sh\n${npm}\n`, { mode: 0o755 });
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(checkout, 'scripts/bootstrap.mjs'), ...args],
    { encoding: 'utf8', env: { PATH: `${bin}:/usr/bin:/bin`, ...env } },
  );
  const log = await readFile(join(checkout, '.rig/install.log'), 'utf8').catch(() => undefined);
  return { status, stdout, stderr, log };
}

test('installs what is missing, and keeps what npm prints in the log', async () => {
  const { status, stdout, stderr, log } = await bootstrap('echo "npm was called with $*"');
  expect(status).toBe(0);
  expect(stdout).toBe('');
  expect(stderr).toBe('installing npm packages (output in .rig/install.log)\n');
  expect(log).toContain('npm was called with ci --loglevel=error\n');
});

test('prints nothing and calls no npm where all packages are installed', async () => {
  await installed({ ...LOCKED, 'node_modules/more': { version: '1.0.0' } });
  expect(await bootstrap('exit 1')).toEqual({ status: 0, stdout: '', stderr: '', log: undefined });
});

test.each([
  ['of another version', { ...LOCKED, 'node_modules/b': { version: '2.0.1' } }],
  ['that is not there', { 'node_modules/a': { version: '1.0.0' } }],
])('installs a package %s', async (_, packages) => {
  await installed(packages);
  expect((await bootstrap('exit 0')).stderr).toContain('installing npm packages');
});

test('does not miss an optional package of another platform', async () => {
  await lock('package-lock.json', {
    ...LOCKED,
    'node_modules/c-win32': { version: '1.0.0', optional: true },
  });
  await installed(LOCKED);
  expect((await bootstrap('exit 1')).status).toBe(0);
});

test('shows the end of what npm printed when npm fails, and names the log', async () => {
  const fails = 'i=0; while [ $i -lt 100 ]; do i=$((i + 1)); echo "line $i"; done; exit 1';
  const { status, stderr, log } = await bootstrap(fails);
  expect(status).toBe(1);
  const lines = stderr.split('\n').map((line) => line.trim());
  expect(lines).toContain('line 100');
  expect(lines).toContain('line 81');
  expect(lines).not.toContain('line 80');
  expect(lines.slice(-3)).toEqual([
    'npm packages are missing (whole output: .rig/install.log); install them with:',
    'npm ci --loglevel=error',
    '',
  ]);
  expect(log).toContain('line 1\n');
});

test('does not show what an earlier run printed', async () => {
  await mkdir(join(checkout, '.rig'));
  await writeFile(join(checkout, '.rig/install.log'), 'an earlier run\n');
  const { stderr, log } = await bootstrap('echo this run; exit 1');
  expect(stderr).toContain('this run');
  expect(stderr).not.toContain('an earlier run');
  expect(log).toContain('an earlier run');
});

test('is a numbered step on standard output, with the time since the run began', async () => {
  const startedAt = Math.floor(Date.now() / 1000) - 100;
  const { stdout, stderr } = await bootstrap('exit 0', ['--step=1/7'], { STEPS_STARTED: String(startedAt) });
  expect(stdout).toMatch(/^\[1\/7 10\d s\] installing npm packages \(output in \.rig\/install\.log\)\n$/);
  expect(stderr).toBe('');
});

test('as a step, says that packages are installed', async () => {
  await installed(LOCKED);
  expect((await bootstrap('exit 1', ['--step=1/7'])).stdout).toBe('[1/7   0 s] npm packages: installed\n');
});
