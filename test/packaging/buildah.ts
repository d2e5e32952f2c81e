import { mkdir } from 'node:fs/promises';
import { run } from '../../testbed/exec.ts';
import { STATE_DIR } from '../../testbed/paths.ts';

/** Images and npm's downloads, kept between test runs. Each release of Node has its own store. */
export const PACKAGING_DIR = `${STATE_DIR}/packaging`;
const STORE = `${PACKAGING_DIR}/store-${process.version}`;

/**
 * The command line that runs a program in a mount namespace. buildah and debootstrap mount /sys into what they build, and
 * unmount it: in the host's mount namespace that would unmount the cgroups of the host's libvirtd.
 */
export function inPrivateMounts(program: string, args: readonly string[]): [string, string[]] {
  return ['unshare', ['--mount', '--propagation', 'private', program, ...args]];
}

/** Storage driver `vfs` and isolation `chroot` work on any kernel and file system. */
export function buildahCommand(args: readonly string[]): [string, string[]] {
  const store = ['--storage-driver', 'vfs', '--root', STORE, '--runroot', `${STORE}-run`];
  return inPrivateMounts('buildah', [...store, ...args]);
}

export const BUILDAH_ENV = { BUILDAH_ISOLATION: 'chroot' } as const;

export async function buildah(args: readonly string[], timeoutMs = 60_000): Promise<string> {
  await mkdir(STORE, { recursive: true });
  const [program, all] = buildahCommand(args);
  return (await run(program, all, { env: BUILDAH_ENV, timeoutMs })).trim();
}

export function hasImage(name: string): Promise<boolean> {
  return buildah(['inspect', '--type', 'image', '--format', '{{.FromImageID}}', name]).then(
    () => true,
    () => false,
  );
}
