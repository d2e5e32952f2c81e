import { policyDeprecated } from '../drift/machine-type-policy.ts';
import { parseQemuVersion } from '../drift/qemu-release.ts';
import { countSupported, indexSupportedMachines } from '../drift/supported-machines.ts';
import { emulatorsOf, machinesFor } from '../inventory/capabilities.ts';
import type { HypervisorInfo } from '../inventory/hypervisor.ts';
import type { Collector } from '../metrics/collector.ts';
import { gauge, type MetricFamily, sanitizeLabel } from '../metrics/metric-family.ts';
import { DOMAIN_STATES } from './domain-states.ts';

export const hypervisorCollector: Collector = {
  name: 'hypervisor',
  help: 'versions, supported machine types, number of domains by state',
  enabledByDefault: true,
  collect: ({ hypervisor, stateCounts }) => [
    versions(hypervisor),
    machineTypes(hypervisor),
    domainCounts(stateCounts),
  ],
};

function versions(hypervisor: HypervisorInfo | undefined): MetricFamily {
  const info = gauge(
    'libvirt_hypervisor_info',
    'Installed version of the hypervisor and version of the libvirt daemon; always 1.',
  );
  if (hypervisor !== undefined) {
    const { version = '', libvirtVersion = '' } = hypervisor;
    info.samples.push({ labels: { driver: 'QEMU', version, libvirt_version: libvirtVersion }, value: 1 });
  }
  return info;
}

function machineTypes(hypervisor: HypervisorInfo | undefined): MetricFamily {
  const family = gauge(
    'libvirt_hypervisor_machine_types',
    'Number of versioned machine types of a family that the installed emulator offers.',
  );
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
    for (const { family: name, status, count } of supported) {
      family.samples.push({
        labels: { arch: sanitizeLabel(arch), family: sanitizeLabel(name), status },
        value: count,
      });
    }
  }
  return family;
}

function domainCounts(stateCounts: ReadonlyMap<number, number>): MetricFamily {
  const family = gauge('libvirt_domains', 'Number of domains by libvirt state, active and inactive.');
  for (const [number, state] of DOMAIN_STATES.entries()) {
    family.samples.push({ labels: { state }, value: stateCounts.get(number) ?? 0 });
  }
  return family;
}
