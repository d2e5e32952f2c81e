// Runs before everything else, on a machine that may have nothing but Node: plain JavaScript without packages.
// With `--step=1/7` it is a step of a longer run, which began at STEPS_STARTED (Unix time, seconds).
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** testbed/run-logged.ts writes to the same file. */
const LOG = '.rig/install.log';
const TAIL_LINES = 20;
const INSTALL = ['ci', '--loglevel=error'];

const packagesIn = (lockFile) => JSON.parse(readFileSync(`${ROOT}${lockFile}`, 'utf8')).packages;

/** npm's own record lists what npm installed. Optional packages of other platforms are not in the record. */
function isInstalled() {
  const record = 'node_modules/.package-lock.json';
  const installed = existsSync(`${ROOT}${record}`) ? packagesIn(record) : {};
  return Object.entries(packagesIn('package-lock.json')).every(
    ([path, { version, optional }]) => path === '' || optional || installed[path]?.version === version,
  );
}

/** Returns whether npm succeeded, and what it printed. */
function install() {
  mkdirSync(`${ROOT}.rig`, { recursive: true });
  const log = openSync(`${ROOT}${LOG}`, 'a+');
  try {
    writeSync(log, `\n== ${new Date().toISOString()} npm ${INSTALL.join(' ')}\n`);
    const before = readFileSync(`${ROOT}${LOG}`).length;
    const npm = spawnSync('npm', INSTALL, { cwd: ROOT, stdio: ['ignore', log, log] });
    const printed = readFileSync(`${ROOT}${LOG}`).subarray(before).toString();
    return { ok: npm.status === 0, printed: npm.error === undefined ? printed : `${npm.error.message}\n` };
  } finally {
    closeSync(log);
  }
}

function main() {
  const step = process.argv.find((word) => word.startsWith('--step='))?.slice('--step='.length);
  const now = Math.floor(Date.now() / 1000);
  const seconds = now - Number(process.env.STEPS_STARTED ?? now);
  const prefix = step === undefined ? '' : `[${step} ${String(seconds).padStart(3)} s] `;
  // Standard output belongs to the program that comes next, unless both print steps of one run.
  const say = step === undefined ? console.error : console.log;
  if (isInstalled()) {
    if (step !== undefined) say(`${prefix}npm packages: installed`);
    return;
  }
  say(`${prefix}installing npm packages (output in ${LOG})`);
  const { ok, printed } = install();
  if (ok) return;
  const tail = printed.trimEnd().split('\n').slice(-TAIL_LINES);
  console.error([...tail.map((line) => `    ${line}`), ''].join('\n'));
  console.error(
    `npm packages are missing (whole output: ${LOG}); install them with:\n  npm ${INSTALL.join(' ')}`,
  );
  process.exitCode = 1;
}

main();
