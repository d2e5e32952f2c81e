import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { SameFiles } from '../../../src/host/same-files.ts';

let directory: string;
const at = (name: string): string => join(directory, name);

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'same-files-'));
  await writeFile(at('a'), '');
  await writeFile(at('b'), '');
  await symlink('a', at('link'));
});

afterAll(() => rm(directory, { recursive: true }));

test('a link is the file, another file is not, and a missing file is none', async () => {
  const pairs = [
    [at('a'), at('link')],
    [at('a'), at('b')],
    [at('a'), at('missing')],
  ] as const;
  const isSame = await new SameFiles().lookUp(pairs);
  expect(pairs.map(([a, b]) => isSame(a, b))).toEqual([true, false, false]);
  expect(isSame(at('b'), at('link'))).toBe(false);
});

const device = (rdev: number, ino: number) => ({ dev: 5, ino, rdev, isBlockDevice: () => true });

test('two nodes of one block device are the same', async () => {
  const nodes = new Map([
    ['/dev/dm-1', device(253, 1)],
    ['/dev/mapper/x', device(253, 2)],
    ['/dev/mapper/y', device(254, 3)],
  ]);
  const files = new SameFiles(async (path) => nodes.get(path) ?? device(0, 0));
  const isSame = await files.lookUp([
    ['/dev/dm-1', '/dev/mapper/x'],
    ['/dev/dm-1', '/dev/mapper/y'],
  ]);
  expect(isSame('/dev/dm-1', '/dev/mapper/x')).toBe(true);
  expect(isSame('/dev/dm-1', '/dev/mapper/y')).toBe(false);
});

test('a file system that hangs costs one scrape a moment, and one thread', async () => {
  let calls = 0;
  const files = new SameFiles(() => {
    calls += 1;
    return new Promise(() => undefined);
  });
  for (let scrape = 0; scrape < 2; scrape++) {
    const isSame = await files.lookUp([['/nfs/a', '/nfs/b']]);
    expect(isSame('/nfs/a', '/nfs/b')).toBe(false);
  }
  expect(calls).toBe(1);
});
