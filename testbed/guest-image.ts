import { createHash } from 'node:crypto';
import {
  access,
  constants,
  copyFile,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { dirname } from 'node:path';
import { run } from './exec.ts';
import { addModules } from './guest-modules.ts';
import { GUEST_DIR, STATE_DIR } from './paths.ts';

interface GuestImage {
  readonly kernel: string;
  readonly initrd: string;
  /** The kernel's release, what `uname -r` says in the guest. */
  readonly kernelRelease: string;
}

const BUSYBOX = '/bin/busybox';
const QEMU_GA = '/usr/sbin/qemu-ga';

/**
 * A kernel and an initramfs that boot in seconds, without an image to download: Debian's cloud kernel, busybox, the real
 * guest agent and guest/init.sh. Built once, and again when one of the parts changes.
 */
export async function buildGuestImage(): Promise<GuestImage> {
  const { kernel, kernelRelease } = await findKernel();
  const initrd = `${STATE_DIR}/initrd-${await fingerprint(kernelRelease)}.cpio`;
  if (!(await exists(initrd))) {
    await mkdir(STATE_DIR, { recursive: true });
    await buildInitrd(kernelRelease, initrd);
    await removeOldImages(initrd);
  }
  return { kernel, initrd, kernelRelease };
}

/** The newest installed kernel that comes with its modules; a cloud kernel when there is one. */
async function findKernel(): Promise<{ kernel: string; kernelRelease: string }> {
  const found: { kernel: string; kernelRelease: string }[] = [];
  for (const kernelRelease of await readdir('/lib/modules').catch(() => [])) {
    for (const kernel of [`/boot/vmlinuz-${kernelRelease}`, `/lib/modules/${kernelRelease}/vmlinuz`]) {
      if (await exists(kernel)) found.push({ kernel, kernelRelease });
    }
  }
  const rank = ({ kernelRelease }: { kernelRelease: string }): number =>
    kernelRelease.includes('cloud') ? 1 : 0;
  found.sort(
    (a, b) => rank(b) - rank(a) || b.kernelRelease.localeCompare(a.kernelRelease, 'en', { numeric: true }),
  );
  const best = found[0];
  if (best === undefined) throw new Error('no kernel with modules; linux-image-cloud-amd64 has one');
  await access(best.kernel, constants.R_OK).catch(() => {
    throw new Error(`${best.kernel} cannot be read: run as root`);
  });
  return best;
}

/** A hash of everything that the image is built from. */
async function fingerprint(kernelRelease: string): Promise<string> {
  const hash = createHash('sha256').update(kernelRelease);
  for (const path of [BUSYBOX, QEMU_GA, `/lib/modules/${kernelRelease}/modules.dep`]) {
    const { size, mtimeMs } = await stat(path).catch(() => {
      throw new Error(`${path} is missing; install busybox-static and qemu-guest-agent`);
    });
    hash.update(`${path} ${size} ${mtimeMs}\n`);
  }
  const files = await readdir(GUEST_DIR, { recursive: true, withFileTypes: true });
  const paths = files.filter((file) => file.isFile()).map((file) => `${file.parentPath}/${file.name}`);
  for (const path of paths.sort()) hash.update(path).update(await readFile(path));
  return hash.digest('hex').slice(0, 12);
}

async function buildInitrd(kernelRelease: string, target: string): Promise<void> {
  const root = await mkdtemp(`${STATE_DIR}/initrd-`);
  try {
    for (const dir of ['bin', 'sbin', 'usr/sbin']) {
      await mkdir(`${root}/${dir}`, { recursive: true });
    }
    await install(BUSYBOX, `${root}/bin/busybox`);
    await run('ln', ['-s', 'busybox', `${root}/bin/sh`]);
    await installWithLibraries(QEMU_GA, root);
    await install(`${GUEST_DIR}/init.sh`, `${root}/init`);
    await install(`${GUEST_DIR}/shutdown.sh`, `${root}/sbin/shutdown`);
    for (const agent of await readdir(`${GUEST_DIR}/agents`)) {
      await install(`${GUEST_DIR}/agents/${agent}`, `${root}/rig/agents/${agent}`);
    }
    await cp(`${GUEST_DIR}/os-release`, `${root}/rig/os-release`, { recursive: true });
    await copyFile(`${GUEST_DIR}/kubelet.conf`, `${root}/rig/kubelet.conf`);
    await copyFile(`${GUEST_DIR}/kubelet-config.yaml`, `${root}/rig/kubelet-config.yaml`);
    await addModules(kernelRelease, `${root}/rig/modules`);
    await pack(root, target);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

/** Renames the archive when it is complete, so that an interrupted build leaves no image. */
async function pack(root: string, target: string): Promise<void> {
  const list = (await run('find', ['.', '-mindepth', '1'], { cwd: root })).trim();
  const listFile = `${root}.list`;
  await writeFile(listFile, `${list}\n`);
  const script = 'cpio --quiet -o -H newc -R 0:0 -F "$1" <"$2"';
  try {
    await run('sh', ['-c', script, 'sh', `${root}.part`, listFile], { cwd: root, timeoutMs: 60_000 });
    await rename(`${root}.part`, target);
  } finally {
    await rm(listFile, { force: true });
    await rm(`${root}.part`, { force: true });
  }
}

async function installWithLibraries(program: string, root: string): Promise<void> {
  await install(program, root + program);
  const libraries = (await run('ldd', [program])).matchAll(/(\/\S+)\s+\(0x/g);
  for (const [, library] of libraries) {
    if (library !== undefined) await install(library, root + library);
  }
}

async function install(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await copyFile(from, to);
  await run('chmod', ['755', to]);
}

/** Removes images that were built from other parts; leaves an image that is being built. */
async function removeOldImages(current: string): Promise<void> {
  for (const name of await readdir(STATE_DIR)) {
    const path = `${STATE_DIR}/${name}`;
    if (/^initrd-[0-9a-f]{12}\.cpio$/.test(name) && path !== current) await rm(path, { force: true });
  }
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
