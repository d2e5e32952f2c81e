import { indexOfferedMachines, type OfferedMachines } from '../drift/supported-machines.ts';
import { type MachineRow, machinesFor } from '../inventory/capabilities.ts';
import type { DomainConfig } from '../inventory/domain-config.ts';
import type { HypervisorFacts } from '../inventory/hypervisor.ts';

/** What one emulator offers; undefined when the capabilities do not know that emulator. */
export interface EmulatorOffer {
  readonly rows: readonly MachineRow[];
  readonly machines: OfferedMachines;
}

/** Looks up what domains' emulators offer; each emulator is indexed once, however many domains it runs. */
export function createOffers(
  hypervisor: HypervisorFacts | undefined,
): (config: DomainConfig) => EmulatorOffer | undefined {
  const known = new Map<string, EmulatorOffer | undefined>();
  const capabilities = hypervisor?.capabilities;
  return ({ arch, type: domainType, emulator }) => {
    if (capabilities === undefined) return undefined;
    const key = `${arch} ${domainType} ${emulator}`;
    if (!known.has(key)) {
      const rows = machinesFor(capabilities, { arch, domainType, emulator });
      known.set(key, rows && { rows, machines: indexOfferedMachines(rows) });
    }
    return known.get(key);
  };
}
