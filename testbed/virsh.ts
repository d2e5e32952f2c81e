import { type RunOptions, run } from './exec.ts';

const LIBVIRT_URI = 'qemu:///system';

/** Runs one virsh command on the system daemon and returns what it printed. */
export function virsh(args: readonly string[], options: RunOptions = {}): Promise<string> {
  return run('virsh', ['--quiet', '--connect', LIBVIRT_URI, ...args], options);
}

/** Runs one virsh command over the read-only socket, as an unprivileged client does. */
export function virshReadOnly(args: readonly string[], options: RunOptions = {}): Promise<string> {
  return virsh(['--readonly', ...args], options);
}

/** Names of domains; the flags are those of `virsh list`, such as `--state-running`. */
export async function listDomainNames(...flags: readonly string[]): Promise<string[]> {
  const out = await virsh(['list', '--name', ...flags]);
  return out
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}
