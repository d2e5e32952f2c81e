import { setImmediate } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import type { EmulatorFile } from '../../../src/host/emulator-file.ts';
import { EmulatorFiles } from '../../../src/host/emulator-files.ts';

const FILE: EmulatorFile = { dev: 1, ino: 2, bornSeconds: 3, changedSeconds: 4, isExecutable: true };

test('files are looked at anew each time, each once; one that is not there is missing', async () => {
  const looked: string[] = [];
  const files = new EmulatorFiles(async (path) => {
    looked.push(path);
    return path === '/gone' ? 'missing' : path === '/unseen' ? undefined : FILE;
  });
  const found = new Map([['/qemu', FILE]]);
  expect(await files.read(['/qemu', '/gone', '/qemu'])).toEqual(found);
  expect(await files.read(['/qemu'])).toEqual(found);
  expect(looked).toEqual(['/qemu', '/gone', '/qemu']);
  expect(await files.check(['/qemu', '/gone', '/unseen'])).toEqual(
    new Map<string, unknown>([...found, ['/gone', 'missing']]),
  );
});

test('file systems that hang are looked at no further, and never by more than two of the threads', async () => {
  const hanging = new Map<string, (file: EmulatorFile) => void>();
  const files = new EmulatorFiles((path) =>
    path.startsWith('/nfs')
      ? new Promise((resolve) => {
          hanging.set(path, resolve);
        })
      : Promise.resolve(FILE),
  );
  expect(await files.read(['/usr/bin/qemu', '/nfs/a'])).toEqual(new Map([['/usr/bin/qemu', FILE]]));
  const again = performance.now();
  expect(await files.read(['/nfs/a', '/usr/bin/qemu'])).toEqual(new Map([['/usr/bin/qemu', FILE]]));
  expect(performance.now() - again).toBeLessThan(400);
  expect(await files.read(['/nfs/b', '/nfs/c', '/nfs/d'])).toEqual(new Map());
  expect([...hanging.keys()]).toEqual(['/nfs/a', '/nfs/b']);
  for (const answer of hanging.values()) answer(FILE);
  await setImmediate();
  expect(await files.read(['/usr/bin/qemu'])).toEqual(new Map([['/usr/bin/qemu', FILE]]));
});
