import { readFile, rm, writeFile } from 'node:fs/promises';
import { CommandError, run, runShown } from './exec.ts';

export const HYPERVISOR_PACKAGES: readonly string[] = [
  'libvirt-daemon-system',
  'libvirt-daemon-driver-qemu',
  'libvirt-clients',
  'qemu-system-x86',
  'qemu-utils',
  'dbus',
];
export const GUEST_PACKAGES: readonly string[] = [
  'linux-image-cloud-amd64',
  'busybox-static',
  'qemu-guest-agent',
  'cpio',
  'kmod',
];
/** Also for promtool and amtool. */
export const PROMETHEUS_PACKAGES: readonly string[] = ['prometheus', 'prometheus-alertmanager'];

/** To build the image without a container engine, and to look at the systemd unit without systemd running. */
export const PACKAGING_PACKAGES: readonly string[] = ['buildah', 'debootstrap', 'systemd'];

/** For `npm run bench`: the exporter to compare with. */
export const PEER_PACKAGES: readonly string[] = ['prometheus-libvirt-exporter'];

/** Something is missing and only a person can help; the message is all that needs printing. */
export class MissingPackagesError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'MissingPackagesError';
  }
}

const POLICY_FILE = '/usr/sbin/policy-rc.d';
const POLICY = '#!/bin/sh\n# libvirt-drift-exporter rig: temporary, safe to delete\nexit 101\n';

/** Installs those of the named Debian packages that are missing; starts none of their services. */
export async function ensureDebianPackages(names: readonly string[], signal?: AbortSignal): Promise<void> {
  const missing = await missingPackages(names);
  if (missing.length === 0) return;
  const install = ['install', '--yes', '--no-install-recommends', ...missing];
  if (process.getuid?.() !== 0) {
    throw new MissingPackagesError(
      `missing Debian packages; install them with:\n  sudo apt-get ${install.join(' ')}`,
    );
  }
  console.error(`installing Debian packages: ${missing.join(' ')}`);
  await withoutServiceStarts(async () => {
    try {
      await aptGet(install);
    } catch {
      signal?.throwIfAborted();
      // Package lists that are absent or out of date are the usual cause: fetch them and try once more.
      await aptGet(['update']);
      await aptGet(install);
    }
  });
  const still = await missingPackages(names);
  if (still.length > 0) throw new MissingPackagesError(`apt-get did not install: ${still.join(' ')}`);
}

/** The named packages that are not fully installed. */
export async function missingPackages(names: readonly string[]): Promise<string[]> {
  const states = await Promise.all(names.map(async (name) => ({ name, installed: await isInstalled(name) })));
  return states.filter(({ installed }) => !installed).map(({ name }) => name);
}

async function isInstalled(name: string): Promise<boolean> {
  try {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own placeholder
    return (await run('dpkg-query', ['-W', '-f=${db:Status-Status}', name])) === 'installed';
  } catch (error) {
    if (error instanceof CommandError && error.message.includes('ENOENT')) {
      throw new MissingPackagesError('the rig needs Debian 12 or newer: there is no dpkg-query here');
    }
    return false;
  }
}

function aptGet(args: readonly string[]): Promise<void> {
  // A machine whose lists are updated by somebody else right now is waited for, not failed on.
  return runShown('apt-get', ['-q', '-o', 'Dpkg::Use-Pty=0', '-o', 'DPkg::Lock::Timeout=300', ...args], {
    env: { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' },
    timeoutMs: 1_200_000,
  });
}

/** invoke-rc.d asks this file before it starts a service; one that is already there belongs to the machine. */
async function withoutServiceStarts(work: () => Promise<void>): Promise<void> {
  const present = await readFile(POLICY_FILE, 'utf8').catch(() => undefined);
  if (present !== undefined && present !== POLICY) return work();
  await writeFile(POLICY_FILE, POLICY, { mode: 0o755 });
  try {
    await work();
  } finally {
    await rm(POLICY_FILE, { force: true });
  }
}
