import { indexSupportedMachines, type SupportedMachines } from '../drift/supported-machines.ts';
import { type MachineRow, machinesFor } from '../inventory/capabilities.ts';
import type { DomainConfig } from '../inventory/domain-config.ts';
import type { HypervisorInfo } from '../inventory/hypervisor.ts';

/** What one emulator offers; undefined when the capabilities do not know that emulator. */
export interface EmulatorMachines {
  readonly rows: readonly MachineRow[];
  readonly machines: SupportedMachines;
}

/** Looks up what domains' emulators offer; each emulator is indexed once, however many domains it runs. */
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
