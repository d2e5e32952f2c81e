import { CONFIG_CHANGES, pendingChanges } from '../drift/config-pending.ts';
import { canonicalMachine } from '../inventory/capabilities.ts';
import type { Collector } from '../metrics/collector.ts';
import { boolToNumber, gauge } from '../metrics/metric-family.ts';
import { createSupportedMachines } from './supported-machines.ts';

export const configPendingCollector: Collector = {
  name: 'config-pending',
  help: 'configuration changes that wait for the next full stop and start',
  enabledByDefault: true,
  collect: ({ domains, hypervisor }) => {
    const pending = gauge(
      'libvirt_domain_config_pending',
      'Whether a change of this kind waits for the next full stop and start of the domain (a reboot is not ' +
        'enough); absent for transient and shut-off domains.',
    );
    const supportedMachines = createSupportedMachines(hypervisor);
    for (const { name, current, persistent } of domains) {
      if (current === undefined || persistent === undefined) continue;
      const rows = supportedMachines(current)?.rows;
      const resolve = (_arch: string, machine: string): string => canonicalMachine(rows, machine);
      const changes = pendingChanges(current, persistent, resolve);
      for (const change of CONFIG_CHANGES) {
        pending.samples.push({ labels: { domain: name, change }, value: boolToNumber(changes[change]) });
      }
    }
    return [pending];
  },
};
