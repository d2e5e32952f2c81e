import { evaluateMachineType, isSupported } from '../drift/evaluate-machine-type.ts';
import type { Collector } from '../metrics/collector.ts';
import { addBoolean, addSample, gauge, info, newFamily, sanitizeLabel } from '../metrics/metric-family.ts';
import { createInstalledVersion } from './installed-version.ts';
import { createSupportedMachines, hasDeprecationMarks } from './supported-machines.ts';

const INFO = info(
  'libvirt_domain_machine_type_info',
  'Machine type of the domain (of its managed save image, where there is one), the newest type of its family that the ' +
    'installed emulator supports (latest), and the QEMU release that by policy no longer has the type (removed_in); ' +
    'always 1.',
  ['domain', 'machine', 'family', 'version', 'vendor', 'latest', 'removed_in'],
);
const END = info(
  'libvirt_domain_machine_type_end_info',
  "End of the domain's machine type beside QEMU's policy: the newest type of another family to move to, where the type's " +
    'family ends (successor), and the release of the distribution that by its own policy no longer has the type ' +
    '(removed_in_distribution); empty where unknown, absent where both are; always 1.',
  ['domain', 'successor', 'removed_in_distribution'],
);
const RELEASES_BEHIND = gauge(
  'libvirt_domain_machine_type_releases_behind',
  "Releases between the domain's machine type and the newest type of its family that the installed emulator " +
    'supports: QEMU releases, or newer versions of the vendor, such as RHEL, that has its own; 0 is the newest.',
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
    'version: 1 yes, 0 no; absent where unknown.',
  ['domain'],
  {
    needs:
      "The emulator's own mark: libvirt 8.0. On older releases QEMU's policy alone decides, for the host's own architecture",
  },
);
const SUPPORTED = gauge(
  'libvirt_domain_machine_type_supported',
  'Whether the installed emulator supports the machine type that the next start of the domain will use (that of the ' +
    'managed save image or of the persistent configuration, where there is one): 1 yes, 0 no, the domain will not start ' +
    'again; absent where unknown.',
  ['domain'],
);

export const machineTypeCollector: Collector = {
  name: 'machine-type',
  help: "each domain's machine type against what the installed QEMU supports",
  enabledByDefault: true,
  families: [INFO, END, RELEASES_BEHIND, RELEASES_UNTIL_REMOVED, DEPRECATED, SUPPORTED],
  collect: ({ domains, hypervisor }) => {
    const types = newFamily(INFO);
    const ends = newFamily(END);
    const behind = newFamily(RELEASES_BEHIND);
    const untilRemoved = newFamily(RELEASES_UNTIL_REMOVED);
    const deprecated = newFamily(DEPRECATED);
    const supported = newFamily(SUPPORTED);
    const supportedMachines = createSupportedMachines(hypervisor);
    const versionOf = createInstalledVersion(hypervisor);
    const hasMarks = hasDeprecationMarks(hypervisor);
    for (const { id, name, current, nextStart } of domains) {
      const next = nextStart.config;
      if (next !== undefined && next.machine !== '')
        addBoolean(supported, { domain: name }, isSupported(next.machine, supportedMachines(next)?.machines));
      // A saved domain goes on with the machine type in its image, whatever its configuration says by now.
      const config = id < 0 ? (next ?? current) : current;
      if (config === undefined || config.machine === '') continue;
      const result = evaluateMachineType({
        machine: config.machine,
        arch: config.arch,
        supported: supportedMachines(config)?.machines,
        installed: versionOf(config),
        hasMarks,
      });
      const labels = { domain: name };
      const typeLabels = {
        domain: name,
        machine: sanitizeLabel(result.machine),
        family: sanitizeLabel(result.family),
        version: sanitizeLabel(result.version),
        vendor: sanitizeLabel(result.vendor),
        latest: sanitizeLabel(result.latest),
        removed_in: result.removedIn,
      };
      addSample(types, typeLabels, 1);
      const { successor, removedInDistribution } = result;
      if (successor !== '' || removedInDistribution !== '') {
        const end = { successor: sanitizeLabel(successor), removed_in_distribution: removedInDistribution };
        addSample(ends, { ...labels, ...end }, 1);
      }
      addSample(behind, labels, result.releasesBehind);
      addSample(untilRemoved, labels, result.releasesUntilRemoved);
      addBoolean(deprecated, labels, result.deprecated);
    }
    return [types, ends, behind, untilRemoved, deprecated, supported];
  },
};
