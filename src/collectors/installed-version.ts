import { parseQemuVersion, type QemuVersion } from '../drift/qemu-release.ts';
import { emulatorsOf } from '../inventory/capabilities.ts';
import type { DomainConfig } from '../inventory/domain-config.ts';
import type { HypervisorFacts } from '../inventory/hypervisor.ts';

/**
 * The installed version of the domain's emulator. libvirt tells it only of the default emulator of the host's
 * own architecture; of a custom path or another architecture it is undefined.
 */
export function installedVersion(
  { emulator }: DomainConfig,
  hypervisor: HypervisorFacts | undefined,
): QemuVersion | undefined {
  const { version, capabilities } = hypervisor ?? {};
  if (version === undefined || capabilities?.hostArch === undefined) return undefined;
  const ofDefault =
    emulator === undefined || emulatorsOf(capabilities, capabilities.hostArch).includes(emulator);
  return ofDefault ? parseQemuVersion(version) : undefined;
}
