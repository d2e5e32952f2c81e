import { parseQemuVersion, type QemuVersion } from '../drift/qemu-release.ts';
import { emulatorsOf } from '../inventory/capabilities.ts';
import type { DomainConfig } from '../inventory/domain-config.ts';
import type { HypervisorInfo } from '../inventory/hypervisor.ts';

/**
 * Looks up the installed version of domains' emulators. libvirt reports the version of one emulator only: the default
 * of the host's own architecture. For a custom path or another architecture the version is undefined.
 */
export function createInstalledVersion(
  hypervisor: HypervisorInfo | undefined,
): (config: DomainConfig) => QemuVersion | undefined {
  const { version, capabilities } = hypervisor ?? {};
  if (version === undefined || capabilities?.hostArch === undefined) return () => undefined;
  const installed = parseQemuVersion(version);
  const ofDefault = new Set<string | undefined>(emulatorsOf(capabilities, capabilities.hostArch));
  return ({ emulator }) => (emulator === undefined || ofDefault.has(emulator) ? installed : undefined);
}
