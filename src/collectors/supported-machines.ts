import { parseQemuVersion } from '../drift/qemu-release.ts';
import { indexSupportedMachines, type SupportedMachines } from '../drift/supported-machines.ts';
import { type MachineRow, machinesFor } from '../inventory/capabilities.ts';
import type { DomainConfig } from '../inventory/domain-config.ts';
import type { HypervisorInfo } from '../inventory/hypervisor.ts';

/** The machine types that one emulator supports. */
interface EmulatorMachines {
  readonly rows: readonly MachineRow[];
  readonly machines: SupportedMachines;
}

/**
 * Looks up the machine types that domains' emulators support; undefined for an emulator that is not in the capabilities.
 * Each emulator is indexed once, however many domains it runs.
 */
export function createSupportedMachines(
  hypervisor: HypervisorInfo | undefined,
): (config: DomainConfig) => EmulatorMachines | undefined {
  const known = new Map<string, EmulatorMachines | undefined>();
  const capabilities = hypervisor?.capabilities;
  return ({ arch, type: domainType, emulator }) => {
    if (capabilities === undefined) return undefined;
    const key = `${arch} ${domainType} ${emulator}`;
    if (!known.has(key)) {
      const rows = machinesFor(capabilities, { arch, domainType, emulator });
      known.set(key, rows && { rows, machines: indexSupportedMachines(rows) });
    }
    return known.get(key);
  };
}

/** First libvirt release that passes the emulators' marks of deprecated machine types on. */
const MARKS_SINCE = 8;

/**
 * Whether the capabilities have the emulators' own marks of deprecated machine types, so that a type without a mark is not
 * deprecated by its emulator.
 */
export function hasDeprecationMarks(hypervisor: HypervisorInfo | undefined): boolean {
  const libvirt = parseQemuVersion(hypervisor?.libvirtVersion ?? '');
  if (libvirt !== undefined) return libvirt.major >= MARKS_SINCE;
  const guests = hypervisor?.capabilities?.guests ?? [];
  return guests.some(({ domains }) =>
    domains.some(({ machines }) => machines.some(({ deprecated }) => deprecated)),
  );
}
