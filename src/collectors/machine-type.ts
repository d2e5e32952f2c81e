import { evaluateMachineType, isSupported } from '../drift/evaluate-machine-type.ts';
import { MACHINE_VENDORS } from '../drift/machine-type.ts';
import type { Collector } from '../metrics/collector.ts';
import { addBoolean, addSample, gauge, info, newFamily, sanitizeLabel } from '../metrics/metric-family.ts';
import { createInstalledVersion } from './installed-version.ts';
import { createSupportedMachines } from './supported-machines.ts';

const INFO = info(
  'libvirt_domain_machine_type_info',
  'Machine type of the domain, the newest type of its family that the installed emulator supports (latest), and the ' +
    'QEMU release that by policy no longer has the type (removed_in); always 1.',
  ['domain', 'machine', 'family', 'version', 'vendor', 'latest', 'removed_in'],
  { values: { vendor: MACHINE_VENDORS } },
);
const RELEASES_BEHIND = gauge(
  'libvirt_domain_machine_type_releases_behind',
  "Releases between the domain's machine type and the newest type of its family that the installed emulator " +
    'supports: QEMU releases, or for a RHEL type newer RHEL versions; 0 is the newest.',
  ['domain'],
);
const RELEASES_UNTIL_REMOVED = gauge(
  'libvirt_domain_machine_type_releases_until_removed',
  "QEMU releases from the installed one to the release that by policy no longer has the domain's machine type; 0 or " +
    'less when that release is installed or past.',
  ['domain'],
);
const DEPRECATED = gauge(
  'libvirt_domain_machine_type_deprecated',
  "Whether the domain's machine type is deprecated, by the installed emulator's own mark or by QEMU's policy for its " +
    'version: 1 yes, 0 no.',
  ['domain'],
  { needs: "The emulator's own mark: libvirt 8.0. On older releases QEMU's policy alone decides" },
);
const SUPPORTED = gauge(
  'libvirt_domain_machine_type_supported',
  'Whether the installed emulator supports the machine type that the next start of the domain will use (that of the ' +
    'persistent configuration, where there is one): 1 yes, 0 no, the domain will not start again.',
  ['domain'],
);

export const machineTypeCollector: Collector = {
  name: 'machine-type',
  help: "each domain's machine type against what the installed QEMU supports",
  enabledByDefault: true,
  families: [INFO, RELEASES_BEHIND, RELEASES_UNTIL_REMOVED, DEPRECATED, SUPPORTED],
  collect: ({ domains, hypervisor }) => {
    const types = newFamily(INFO);
    const behind = newFamily(RELEASES_BEHIND);
    const untilRemoved = newFamily(RELEASES_UNTIL_REMOVED);
    const deprecated = newFamily(DEPRECATED);
    const supported = newFamily(SUPPORTED);
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
      const typeLabels = {
        domain: name,
        machine: sanitizeLabel(result.machine),
        family: sanitizeLabel(result.family),
        version: sanitizeLabel(result.version),
        vendor: result.vendor,
        latest: sanitizeLabel(result.latest),
        removed_in: result.removedIn,
      };
      addSample(types, typeLabels, 1);
      addSample(behind, labels, result.releasesBehind);
      addSample(untilRemoved, labels, result.releasesUntilRemoved);
      addBoolean(deprecated, labels, result.deprecated);
      const next = persistent === undefined || persistent.machine === '' ? current : persistent;
      addBoolean(supported, labels, isSupported(next.machine, supportedMachines(next)?.machines));
    }
    return [types, behind, untilRemoved, deprecated, supported];
  },
};
