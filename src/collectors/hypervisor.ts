import { policyDeprecated } from '../drift/machine-type-policy.ts';
import { parseQemuVersion } from '../drift/qemu-release.ts';
import { countSupported, indexSupportedMachines } from '../drift/supported-machines.ts';
import { emulatorsOf, machinesFor } from '../inventory/capabilities.ts';
import type { HypervisorInfo } from '../inventory/hypervisor.ts';
import type { Collector } from '../metrics/collector.ts';
import {
  addSample,
  gauge,
  info,
  type MetricFamily,
  newFamily,
  sanitizeLabel,
} from '../metrics/metric-family.ts';
import { DOMAIN_STATES } from './domain-states.ts';

const INFO = info(
  'libvirt_hypervisor_info',
  'Version of the installed hypervisor and version of the libvirt daemon; always 1.',
  ['driver', 'version', 'libvirt_version'],
);
const MACHINE_TYPES = gauge(
  'libvirt_hypervisor_machine_types',
  'Number of versioned machine types that the installed emulator supports, by architecture, family and status.',
  ['arch', 'family', 'status'],
  {
    values: { status: ['current', 'deprecated'] },
    needs:
      "The emulator's own mark for `deprecated`: libvirt 8.0. On older releases QEMU's policy alone decides",
  },
);
const DOMAINS = gauge(
  'libvirt_domains',
  'Number of domains by libvirt state, active and inactive ones.',
  ['state'],
  {
    values: { state: DOMAIN_STATES },
  },
);

export const hypervisorCollector: Collector = {
  name: 'hypervisor',
  help: 'versions, supported machine types, number of domains by state',
  enabledByDefault: true,
  families: [INFO, MACHINE_TYPES, DOMAINS],
  collect: ({ hypervisor, stateCounts }) => [
    versions(hypervisor),
    machineTypes(hypervisor),
    domainCounts(stateCounts),
  ],
};

function versions(hypervisor: HypervisorInfo | undefined): MetricFamily {
  const family = newFamily(INFO);
  if (hypervisor !== undefined) {
    const { version = '', libvirtVersion = '' } = hypervisor;
    addSample(family, { driver: 'QEMU', version, libvirt_version: libvirtVersion }, 1);
  }
  return family;
}

function machineTypes(hypervisor: HypervisorInfo | undefined): MetricFamily {
  const types = newFamily(MACHINE_TYPES);
  const capabilities = hypervisor?.capabilities;
  const installed = parseQemuVersion(hypervisor?.version ?? '');
  for (const arch of new Set(capabilities?.guests.map((guest) => guest.arch))) {
    if (capabilities === undefined) break;
    const [emulator] = emulatorsOf(capabilities, arch);
    const domainType = capabilities.guests.find((guest) => guest.arch === arch)?.domains[0]?.type ?? 'kvm';
    const rows = machinesFor(capabilities, { arch, domainType, emulator });
    const supported = countSupported(indexSupportedMachines(rows ?? []), (type) =>
      // The installed version is that of the host architecture's emulator.
      Boolean(installed && arch === capabilities.hostArch && policyDeprecated(type, arch, installed)),
    );
    for (const { family, status, count } of supported) {
      addSample(types, { arch: sanitizeLabel(arch), family: sanitizeLabel(family), status }, count);
    }
  }
  return types;
}

function domainCounts(stateCounts: ReadonlyMap<number, number>): MetricFamily {
  const family = newFamily(DOMAINS);
  for (const [number, state] of DOMAIN_STATES.entries()) {
    addSample(family, { state }, stateCounts.get(number) ?? 0);
  }
  return family;
}
