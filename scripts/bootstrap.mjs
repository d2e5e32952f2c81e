// Runs before everything else, on a machine that may have nothing but Node: plain JavaScript without packages.
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const installed = `${root}node_modules/.package-lock.json`;
const locked = `${root}package-lock.json`;

const upToDate = existsSync(installed) && statSync(installed).mtimeMs >= statSync(locked).mtimeMs;
if (!upToDate) {
  console.error('installing npm packages');
  // Not `npm ci`: it refuses a lock that lacks binaries for other platforms, which a partial mirror of the
  // registry leaves out. The locked versions and checksums hold either way.
  const args = ['install', '--no-save', '--loglevel=error'];
  const npm = spawnSync('npm', args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (npm.status !== 0) {
    console.error(`npm packages are missing; install them with:\n  npm ${args.join(' ')}`);
    process.exit(1);
  }
}
