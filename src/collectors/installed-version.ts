import { parseQemuVersion, type QemuVersion } from '../drift/qemu-release.ts';
import type { DomainConfig } from '../inventory/domain-config.ts';
import { createVersionLookup, type HypervisorInfo } from '../inventory/hypervisor.ts';

/** Looks up the installed version of domains' emulators, as last known; undefined for all but the host's default one. */
export function createInstalledVersion(
  hypervisor: HypervisorInfo | undefined,
): (config: DomainConfig) => QemuVersion | undefined {
  const versionOf = createVersionLookup(hypervisor);
  return (config) => parseQemuVersion(versionOf(config) ?? '');
}
