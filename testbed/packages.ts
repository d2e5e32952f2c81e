import { readFile, rm, writeFile } from 'node:fs/promises';
import { CommandError, run } from './exec.ts';
import { INSTALL_LOG_NAME, runLogged } from './run-logged.ts';

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
/** With promtool and amtool. */
export const PROMETHEUS_PACKAGES: readonly string[] = ['prometheus', 'prometheus-alertmanager'];

/** buildah and debootstrap build the image without a container engine; systemd-analyze checks the unit. */
export const PACKAGING_PACKAGES: readonly string[] = ['buildah', 'debootstrap', 'systemd'];

/** The exporter that `npm run bench` compares with. */
export const PEER_PACKAGES: readonly string[] = ['prometheus-libvirt-exporter'];

/** A person has to install something. The message says what and how, and needs no stack trace. */
export class MissingPackagesError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'MissingPackagesError';
  }
}

const POLICY_FILE = '/usr/sbin/policy-rc.d';
const POLICY = '#!/bin/sh\n# libvirt-drift-exporter rig: temporary, safe to delete\nexit 101\n';

/** Installs those of the named Debian packages that are missing, and says so first. */
export async function ensureDebianPackages(names: readonly string[]): Promise<void> {
  const missing = await missingPackages(names);
  if (missing.length === 0) return;
  console.error(describeInstallation(missing));
  await installDebianPackages(missing);
}

/** What `installDebianPackages` does with these packages, in one line. */
export function describeInstallation(names: readonly string[]): string {
  if (!isRoot()) return `Debian packages: ${names.length} missing`;
  return `installing ${names.length} Debian packages (output in ${INSTALL_LOG_NAME})`;
}

/**
 * Installs Debian packages and starts none of their services. Rejects with MissingPackagesError, whose message has the
 * command that installs them, when the user is not root.
 */
export async function installDebianPackages(names: readonly string[], signal?: AbortSignal): Promise<void> {
  const install = ['install', '--yes', '--no-install-recommends', ...names];
  if (!isRoot()) {
    throw new MissingPackagesError(
      `missing Debian packages; install them with:\n  sudo apt-get ${install.join(' ')}`,
    );
  }
  await withoutServiceStarts(async () => {
    try {
      await aptGet(install);
    } catch {
      signal?.throwIfAborted();
      // The usual cause is that package lists are absent or out of date.
      await aptGet(['update']);
      await aptGet(install);
    }
  });
  const still = await missingPackages(names);
  if (still.length > 0) throw new MissingPackagesError(`apt-get did not install: ${still.join(' ')}`);
}

const isRoot = (): boolean => process.getuid?.() === 0;

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
  // Another apt-get may hold the lock, such as unattended-upgrades on a machine that has just booted.
  return runLogged('apt-get', ['-q', '-o', 'Dpkg::Use-Pty=0', '-o', 'DPkg::Lock::Timeout=300', ...args], {
    env: { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' },
    timeoutMs: 1_200_000,
  });
}

/** invoke-rc.d runs this file before it starts a service. A file that is there already is the machine's own. */
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
