import { CONFIG_CHANGES, pendingChanges } from '../drift/config-pending.ts';
import { canonicalMachine } from '../inventory/capabilities.ts';
import type { Collector } from '../metrics/collector.ts';
import { addBoolean, gauge, newFamily } from '../metrics/metric-family.ts';
import { createSupportedMachines } from './supported-machines.ts';

const PENDING = gauge(
  'libvirt_domain_config_pending',
  'Whether a change of this kind waits for the next full stop and start of the domain (a reboot of the guest is not ' +
    'enough): 1 yes, 0 no; absent for transient and shut-off domains.',
  ['domain', 'change'],
  { values: { change: CONFIG_CHANGES } },
);

export const configPendingCollector: Collector = {
  name: 'config-pending',
  help: 'configuration changes that wait for the next full stop and start',
  enabledByDefault: true,
  families: [PENDING],
  collect: ({ domains, hypervisor, isSameFile }) => {
    const pending = newFamily(PENDING);
    const supportedMachines = createSupportedMachines(hypervisor);
    for (const { name, current, persistent, persistentAtStart: atStart } of domains) {
      if (current === undefined || persistent === undefined) continue;
      const rows = supportedMachines(current)?.rows;
      const resolveMachine = (_arch: string, machine: string): string => canonicalMachine(rows, machine);
      const changes = pendingChanges(current, persistent, { resolveMachine, isSameFile, atStart });
      for (const change of CONFIG_CHANGES) {
        addBoolean(pending, { domain: name, change }, changes[change]);
      }
    }
    return [pending];
  },
};
