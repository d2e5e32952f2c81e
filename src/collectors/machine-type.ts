import { evaluateMachineType, isSupported } from '../drift/evaluate-machine-type.ts';
import type { Collector } from '../metrics/collector.ts';
import { boolToNumber, gauge, sanitizeLabel } from '../metrics/metric-family.ts';
import { createInstalledVersion } from './installed-version.ts';
import { createSupportedMachines } from './supported-machines.ts';

export const machineTypeCollector: Collector = {
  name: 'machine-type',
  help: "each domain's machine type against what the installed QEMU offers",
  enabledByDefault: true,
  collect: ({ domains, hypervisor }) => {
    const info = gauge(
      'libvirt_domain_machine_type_info',
      'Machine type of the domain, the newest of its family that the installed emulator offers, and the QEMU ' +
        'release that by policy no longer has it; always 1.',
    );
    const behind = gauge(
      'libvirt_domain_machine_type_releases_behind',
      'Releases between the machine type and the newest supported one of its family; 0 is the newest.',
    );
    const untilRemoved = gauge(
      'libvirt_domain_machine_type_releases_until_removed',
      'QEMU releases from the installed one to the one that by policy no longer has the machine type; at 0 or less ' +
        'that is past.',
    );
    const deprecated = gauge(
      'libvirt_domain_machine_type_deprecated',
      "Whether the installed emulator, or QEMU's policy at its version, deprecates the machine type.",
    );
    const supported = gauge(
      'libvirt_domain_machine_type_supported',
      'Whether the installed emulator offers the machine type that the next start will use, that of the persistent ' +
        'configuration where there is one; at 0 the domain will not start again.',
    );
    const supportedMachines = createSupportedMachines(hypervisor);
    const versionOf = createInstalledVersion(hypervisor);
    for (const { name, current, persistent } of domains) {
      if (current === undefined || current.machine === '') continue;
      const result = evaluateMachineType({
        machine: current.machine,
        arch: current.arch,
        supported: supportedMachines(current)?.machines,
        installed: versionOf(current),
      });
      const labels = { domain: name };
      info.samples.push({
        labels: {
          domain: name,
          machine: sanitizeLabel(result.machine),
          family: sanitizeLabel(result.family),
          version: sanitizeLabel(result.version),
          vendor: result.vendor,
          latest: sanitizeLabel(result.latest),
          removed_in: result.removedIn,
        },
        value: 1,
      });
      if (result.releasesBehind !== undefined) behind.samples.push({ labels, value: result.releasesBehind });
      if (result.releasesUntilRemoved !== undefined) {
        untilRemoved.samples.push({ labels, value: result.releasesUntilRemoved });
      }
      if (result.deprecated !== undefined) {
        deprecated.samples.push({ labels, value: boolToNumber(result.deprecated) });
      }
      const next = persistent === undefined || persistent.machine === '' ? current : persistent;
      const isTypeSupported = isSupported(next.machine, supportedMachines(next)?.machines);
      if (isTypeSupported !== undefined)
        supported.samples.push({ labels, value: boolToNumber(isTypeSupported) });
    }
    return [info, behind, untilRemoved, deprecated, supported];
  },
};
