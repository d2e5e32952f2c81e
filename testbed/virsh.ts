import { type RunOptions, run } from './exec.ts';

export const LIBVIRT_URI = 'qemu:///system';

/** Runs one virsh command on the system daemon and returns what it printed. */
export function virsh(args: readonly string[], options: RunOptions = {}): Promise<string> {
  return run('virsh', ['--quiet', '--connect', LIBVIRT_URI, ...args], options);
}

/** The same over the read-only socket, as an unprivileged client would. */
export function virshReadOnly(args: readonly string[], options: RunOptions = {}): Promise<string> {
  return virsh(['--readonly', ...args], options);
}

/** Names of domains in the given states, `virsh list`'s flags. */
export async function listDomainNames(...flags: readonly string[]): Promise<string[]> {
  const out = await virsh(['list', '--name', ...flags]);
  return out
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}
