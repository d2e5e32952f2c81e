import { copyFile, cp, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { run } from '../../testbed/exec.ts';
import { buildah, hasImage, inPrivateMounts, PACKAGING_DIR } from './buildah.ts';

const MIRROR = 'http://deb.debian.org/debian';
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt';

/**
 * Makes an image with the name of the Dockerfile's base image: Debian 12 with this machine's Node and npm, so that the
 * test needs no image registry. The real one has other releases of Debian and Node.
 */
export async function ensureBaseImage(name: string): Promise<void> {
  if (await hasImage(name)) return;
  await mkdir(PACKAGING_DIR, { recursive: true });
  const root = await mkdtemp(join(PACKAGING_DIR, 'base-'));
  try {
    const [program, args] = inPrivateMounts('debootstrap', ['--variant=minbase', 'bookworm', root, MIRROR]);
    await run(program, args, { timeoutMs: 300_000 });
    for (const cache of ['var/cache/apt', 'var/lib/apt/lists', 'usr/share/doc', 'usr/share/locale'])
      await rm(join(root, cache), { recursive: true, force: true });
    await addNode(root);
    const container = await buildah(['from', 'scratch']);
    await buildah(['copy', '--quiet', container, root, '/'], 120_000);
    const certificates = process.env.NODE_EXTRA_CA_CERTS;
    if (certificates !== undefined) {
      // A proxy with a certificate authority of its own: npm in the image must trust it too.
      await buildah(['copy', '--quiet', container, certificates, CERTIFICATES]);
      await buildah(['config', '--env', `NODE_EXTRA_CA_CERTS=${CERTIFICATES}`, container]);
    }
    await buildah(['commit', '--quiet', '--rm', container, name], 120_000);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

async function addNode(root: string): Promise<void> {
  const local = join(root, 'usr/local');
  await copyFile(process.execPath, join(local, 'bin/node'));
  const npmCli = await realpath((await run('sh', ['-c', 'command -v npm'])).trim());
  await cp(dirname(dirname(npmCli)), join(local, 'lib/node_modules/npm'), { recursive: true });
  await symlink('../lib/node_modules/npm/bin/npm-cli.js', join(local, 'bin/npm'));
  const registry = (await run('npm', ['config', 'get', 'registry'])).trim();
  await mkdir(join(local, 'etc'), { recursive: true });
  await writeFile(join(local, 'etc/npmrc'), `registry=${registry}\n`);
}
