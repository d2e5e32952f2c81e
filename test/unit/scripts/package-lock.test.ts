import { readFile } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';

interface LockedPackage {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

async function read(path: string): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(new URL(`../../../${path}`, import.meta.url), 'utf8'));
}

const lock = (await read('package-lock.json')) as unknown as {
  readonly packages: Readonly<Record<string, LockedPackage>>;
};

/** Node's look-up: in the package's own folder first, then in each package that this one is inside of. */
function isLocked(packages: Readonly<Record<string, LockedPackage>>, from: string, name: string): boolean {
  if (`${from === '' ? '' : `${from}/`}node_modules/${name}` in packages) return true;
  if (from === '') return false;
  return isLocked(packages, from.slice(0, Math.max(0, from.lastIndexOf('/node_modules/'))), name);
}

/** Dependencies that the lock names and has no entry for: `npm ci` of npm 11 refuses such a lock. */
function missingFrom(packages: Readonly<Record<string, LockedPackage>>): string[] {
  return Object.entries(packages).flatMap(([path, { dependencies, optionalDependencies }]) =>
    Object.keys({ ...dependencies, ...optionalDependencies })
      .filter((name) => !isLocked(packages, path, name))
      .map((name) => `${path}: ${name}`),
  );
}

describe('package-lock.json', () => {
  // When this fails: `rm -rf node_modules package-lock.json && npm install --package-lock-only`. A lock that npm writes
  // beside node_modules lacks the optional packages of other platforms.
  test('has an entry for every dependency, also for those of other platforms', () => {
    expect(Object.keys(lock.packages).length).toBeGreaterThan(100);
    expect(missingFrom(lock.packages)).toEqual([]);
  });

  test('agrees with package.json', async () => {
    const keys = ['name', 'version', 'license', 'bin', 'engines', 'dependencies', 'devDependencies'];
    const manifest = await read('package.json');
    expect(lock.packages['']).toEqual(Object.fromEntries(keys.map((key) => [key, manifest[key]])));
  });

  test('has a checksum for every package, and no other source than the public registry', () => {
    for (const [path, { resolved, integrity }] of Object.entries(lock.packages)) {
      if (path === '') continue;
      expect({ path, integrity }).toEqual({ path, integrity: expect.stringMatching(/^sha512-/) });
      // npm writes no address with `omit-lockfile-registry-resolved`, and then takes the registry it is set to.
      if (resolved !== undefined) expect(resolved).toMatch(/^https:\/\/registry\.npmjs\.org\//);
    }
  });
});

describe('the check for missing entries', () => {
  const swc = { version: '1.0.0', optionalDependencies: { '@swc/core-win32': '1.0.0' } };

  test('finds an optional package of another platform', () => {
    const packages = { '': {}, 'node_modules/@swc/core': swc, 'node_modules/@swc/core-linux': {} };
    expect(missingFrom(packages)).toEqual(['node_modules/@swc/core: @swc/core-win32']);
  });

  test.each([
    ['beside it', 'node_modules/@swc/core-win32'],
    ['inside of it', 'node_modules/a/node_modules/@swc/core/node_modules/@swc/core-win32'],
    ['beside it, below another', 'node_modules/a/node_modules/@swc/core-win32'],
  ])('finds none where the package is %s', (_, path) => {
    const packages = { 'node_modules/a': {}, 'node_modules/a/node_modules/@swc/core': swc, [path]: {} };
    expect(missingFrom(packages)).toEqual([]);
  });

  test('does not take the copy of a neighbour', () => {
    const packages = { 'node_modules/@swc/core': swc, 'node_modules/b/node_modules/@swc/core-win32': {} };
    expect(missingFrom(packages)).toHaveLength(1);
  });
});
