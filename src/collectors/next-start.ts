import { isSupported } from '../drift/evaluate-machine-type.ts';
import { emulatorBlocks, firmwareBlocks, START_BLOCKERS, type StartBlocker } from '../drift/start-blocked.ts';
import type { Collector } from '../metrics/collector.ts';
import { addBoolean, gauge, newFamily } from '../metrics/metric-family.ts';
import { createSupportedMachines } from './supported-machines.ts';

const START_BLOCKED = gauge(
  'libvirt_domain_start_blocked',
  'Whether the next start of the domain will fail, by the reason (the machine type is not supported, the emulator is ' +
    'missing or cannot be run, a firmware file is missing): 1 yes, 0 no; absent where unknown.',
  ['domain', 'reason'],
  {
    values: { reason: START_BLOCKERS },
    needs:
      "`firmware`, and `emulator` for one that libvirt does not list: an exporter that sees the host's files, so not one " +
      'in a container',
  },
);
const MANAGED_SAVE = gauge(
  'libvirt_domain_managed_save',
  'Whether the next start of the domain restores a managed save image, with the configuration in the image: 1 yes, 0 no.',
  ['domain'],
);

export const nextStartCollector: Collector = {
  name: 'next-start',
  help: 'what each domain will start with, and what its next start will fail for',
  enabledByDefault: true,
  families: [START_BLOCKED, MANAGED_SAVE],
  collect: ({ domains, hypervisor }) => {
    const blocked = newFamily(START_BLOCKED);
    const saved = newFamily(MANAGED_SAVE);
    const supportedMachines = createSupportedMachines(hypervisor);
    for (const { name, nextStart, managedSave } of domains) {
      const { config, emulator, firmware } = nextStart;
      const machine = config?.machine || undefined;
      const supported = config && machine && isSupported(machine, supportedMachines(config)?.machines);
      const blocks: Readonly<Record<StartBlocker, boolean | undefined>> = {
        machine_type: typeof supported === 'boolean' ? !supported : undefined,
        emulator: emulatorBlocks(emulator),
        firmware: firmwareBlocks(firmware),
      };
      for (const reason of START_BLOCKERS) addBoolean(blocked, { domain: name, reason }, blocks[reason]);
      addBoolean(saved, { domain: name }, managedSave === undefined ? undefined : managedSave !== 'none');
    }
    return [blocked, saved];
  },
};
