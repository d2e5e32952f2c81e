import { chmod, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { readEmulatorFile } from '../../../src/host/emulator-file.ts';
import { temporaryDirectory } from './fake-proc.ts';

let directory: string;
let emulator: string;

beforeEach(async () => {
  directory = await temporaryDirectory();
  emulator = join(directory, 'qemu');
  await writeFile(emulator, 'one');
});

afterEach(() => rm(directory, { recursive: true }));

describe('readEmulatorFile', () => {
  test('returns device, inode and the times of birth and change, in seconds', async () => {
    const { dev, ino, ctimeMs, birthtimeMs } = await stat(emulator);
    expect(await readEmulatorFile(emulator)).toEqual({
      dev,
      ino,
      bornSeconds: birthtimeMs > 0 ? birthtimeMs / 1000 : undefined,
      changedSeconds: ctimeMs / 1000,
      isExecutable: false,
    });
    expect(Math.abs(ctimeMs - Date.now())).toBeLessThan(60_000);
  });

  test('follows symbolic links', async () => {
    const link = join(directory, 'kvm');
    await symlink('qemu', link);
    expect(await readEmulatorFile(link)).toEqual(await readEmulatorFile(emulator));
  });

  test('an upgrade makes it another file', async () => {
    const before = await stat(emulator);
    await writeFile(`${emulator}.new`, 'two');
    await rename(`${emulator}.new`, emulator);
    const after = await readEmulatorFile(emulator);
    expect(after).toMatchObject({ dev: before.dev });
    expect(after).not.toMatchObject({ ino: before.ino });
  });

  test('another mode leaves it the same file', async () => {
    const { ino, ctimeMs } = await stat(emulator);
    await chmod(emulator, 0o700);
    const after = await readEmulatorFile(emulator);
    expect(after).toMatchObject({ ino, isExecutable: true });
    expect(typeof after === 'object' && after.changedSeconds).toBeGreaterThanOrEqual(ctimeMs / 1000);
  });

  test.each([['none'], ['qemu/inside'], ['']])('%j is missing', async (name) => {
    expect(await readEmulatorFile(name === '' ? '' : join(directory, name))).toBe('missing');
  });

  test.each([['nul\0byte'], ['loop'], ['x'.repeat(300)]])('whether %j exists is unknown', async (name) => {
    if (name === 'loop') await symlink('loop', join(directory, name));
    expect(await readEmulatorFile(join(directory, name))).toBeUndefined();
  });

  test('a directory cannot be executed', async () => {
    expect(await readEmulatorFile(directory)).toMatchObject({ isExecutable: false });
  });
});
