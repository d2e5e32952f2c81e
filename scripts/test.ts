import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cleanUp } from '../testbed/clean-up.ts';
import { daemonState, startDaemon, stopDaemon } from '../testbed/daemon.ts';
import { CommandError } from '../testbed/exec.ts';
import {
  ensureDebianPackages,
  GUEST_PACKAGES,
  HYPERVISOR_PACKAGES,
  MissingPackagesError,
  PACKAGING_PACKAGES,
  PROMETHEUS_PACKAGES,
} from '../testbed/packages.ts';

/**
 * `npm test`: formatting, lint, types, and all tests, with libvirtd running. The last line has Jest's own counts. Arguments
 * go to Jest.
 */

function shown(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...args], { stdio: 'inherit', env: { ...process.env, ...env } });
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
}

interface JestSummary {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numRuntimeErrorTestSuites: number;
  readonly numPendingTests: number;
}

async function runJest(args: readonly string[]): Promise<boolean> {
  const directory = await mkdtemp(join(tmpdir(), 'jest-'));
  const summaryFile = join(directory, 'summary.json');
  try {
    const code = await shown(
      process.execPath,
      ['node_modules/jest/bin/jest.js', '--json', `--outputFile=${summaryFile}`, ...args],
      { NODE_OPTIONS: '--experimental-vm-modules --disable-warning=ExperimentalWarning' },
    );
    const summary: JestSummary = JSON.parse(await readFile(summaryFile, 'utf8'));
    const failed = summary.numFailedTests + summary.numRuntimeErrorTestSuites;
    if (summary.numPendingTests > 0)
      console.error(`${summary.numPendingTests} tests were skipped: that fails too`);
    console.log(`${summary.numPassedTests} passed, ${failed + summary.numPendingTests} failed`);
    return code === 0 && summary.numPendingTests === 0;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function main(): Promise<number> {
  await ensureDebianPackages([
    ...HYPERVISOR_PACKAGES,
    ...GUEST_PACKAGES,
    ...PROMETHEUS_PACKAGES,
    ...PACKAGING_PACKAGES,
  ]);
  for (const script of ['check', 'build']) {
    if ((await shown('npm', ['run', '--silent', script])) !== 0) {
      console.log(`npm run ${script} failed, so no test ran\n0 passed, 0 failed`);
      return 1;
    }
  }
  const { up: wasUp } = await daemonState();
  await startDaemon();
  try {
    await cleanUp();
    return (await runJest(process.argv.slice(2))) ? 0 : 1;
  } finally {
    await cleanUp();
    if (!wasUp) await stopDaemon();
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof MissingPackagesError || error instanceof CommandError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
