import { chmod, copyFile, cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '../../testbed/exec.ts';
import type { Program } from '../../testbed/exporter-process.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Debian's nobody and nogroup. */
const NOBODY = 65_534;

/**
 * The exporter where a user without any rights can run it: the checkout, and even Node itself, may lie in a
 * directory that is root's alone.
 */
export async function makeUnprivilegedProgram(): Promise<Program & { readonly remove: () => Promise<void> }> {
  const directory = await mkdtemp(join(tmpdir(), 'unprivileged-'));
  await chmod(directory, 0o755);
  const node = join(directory, 'node');
  await copyFile(process.execPath, node);
  await chmod(node, 0o755);
  await copyFile(join(ROOT, 'package.json'), join(directory, 'package.json'));
  await cp(join(ROOT, 'dist'), join(directory, 'dist'), { recursive: true });
  await mkdir(join(directory, 'node_modules'));
  for (const path of await productionDependencies()) {
    await cp(join(ROOT, path), join(directory, path), { recursive: true });
  }
  return {
    node,
    main: join(directory, 'dist/main.js'),
    uid: NOBODY,
    gid: NOBODY,
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}

/** Paths below the checkout of all packages that the built exporter can load. */
async function productionDependencies(): Promise<string[]> {
  const listed = await run('npm', ['ls', '--omit=dev', '--all', '--parseable'], { cwd: ROOT });
  return listed
    .split('\n')
    .filter((path) => path.includes('node_modules'))
    .map((path) => path.slice(path.indexOf('node_modules')))
    .filter((path) => basename(path) !== '');
}
