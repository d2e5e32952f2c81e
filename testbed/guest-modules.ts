import { mkdir, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { run } from './exec.ts';

const WANTED: readonly string[] = [
  'virtio_pci',
  'virtio_console',
  'virtio_blk',
  'virtio_balloon',
  'virtio_net',
  // A file system that can be frozen. Debian's cloud kernel has it built in.
  'ext4',
];

/** How to unpack a kernel module, by the end of its name. Debian 13 and newer compress kernel modules. */
const UNPACK: ReadonlyMap<string, readonly string[]> = new Map([
  ['.xz', ['xz', '-dc']],
  ['.zst', ['zstd', '-dc']],
  ['.gz', ['gzip', '-dc']],
]);

/** Puts the guest's kernel modules into `target`, with a file `order` that names them in loading order. */
export async function addModules(kernelRelease: string, target: string): Promise<void> {
  await mkdir(target, { recursive: true });
  const order: string[] = [];
  for (const wanted of WANTED) {
    for (const path of await withDependencies(kernelRelease, wanted)) {
      const name = basename(path).replace(/\.ko\.\w+$/, '.ko');
      if (order.includes(name)) continue;
      order.push(name);
      await unpack(path, `${target}/${name}`);
    }
  }
  await writeFile(`${target}/order`, `${order.join('\n')}\n`);
}

/** Files of the module and of the modules to load before it; none for built-in modules. */
async function withDependencies(kernelRelease: string, module: string): Promise<string[]> {
  const out = await run('/sbin/modprobe', ['--show-depends', '--set-version', kernelRelease, module]);
  return [...out.matchAll(/^insmod\s+(\S+)/gm)].flatMap(([, path]) => path ?? []);
}

async function unpack(from: string, to: string): Promise<void> {
  const suffix = /\.ko(\.\w+)?$/.exec(from)?.[1];
  if (suffix === undefined) {
    await run('cp', [from, to]);
    return;
  }
  const command = UNPACK.get(suffix);
  if (command === undefined) throw new Error(`${from}: unknown compression`);
  await run('sh', ['-c', `${command.join(' ')} "$1" >"$2"`, 'sh', from, to]);
}
