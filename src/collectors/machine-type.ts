import { isOffered, judgeMachineType } from '../drift/evaluate-machine-type.ts';
import type { Collector } from '../metrics/collector.ts';
import { flag, gauge, labelText } from '../metrics/metric-family.ts';
import { createInstalledVersion } from './installed-version.ts';
import { createOffers } from './supported-machines.ts';

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
      'Releases between the machine type and the newest offered one of its family; 0 is the newest.',
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
    const offerOf = createOffers(hypervisor);
    const versionOf = createInstalledVersion(hypervisor);
    for (const { name, current, persistent } of domains) {
      if (current === undefined || current.machine === '') continue;
      const verdict = judgeMachineType({
        machine: current.machine,
        arch: current.arch,
        offered: offerOf(current)?.machines,
        installed: versionOf(current),
      });
      const labels = { domain: name };
      info.samples.push({
        labels: {
          domain: name,
          machine: labelText(verdict.machine),
          family: labelText(verdict.family),
          version: labelText(verdict.version),
          vendor: verdict.vendor,
          latest: labelText(verdict.latest),
          removed_in: verdict.removedIn,
        },
        value: 1,
      });
      if (verdict.releasesBehind !== undefined)
        behind.samples.push({ labels, value: verdict.releasesBehind });
      if (verdict.releasesUntilRemoved !== undefined) {
        untilRemoved.samples.push({ labels, value: verdict.releasesUntilRemoved });
      }
      if (verdict.deprecated !== undefined) {
        deprecated.samples.push({ labels, value: flag(verdict.deprecated) });
      }
      const next = persistent === undefined || persistent.machine === '' ? current : persistent;
      const offered = isOffered(next.machine, offerOf(next)?.machines);
      if (offered !== undefined) supported.samples.push({ labels, value: flag(offered) });
    }
    return [info, behind, untilRemoved, deprecated, supported];
  },
};
