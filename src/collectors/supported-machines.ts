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
