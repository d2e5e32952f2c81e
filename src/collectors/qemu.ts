import { formatVersion } from '../drift/qemu-release.ts';
import { evaluateQemu } from '../drift/qemu-version.ts';
import type { Collector } from '../metrics/collector.ts';
import { boolToNumber, gauge } from '../metrics/metric-family.ts';
import type { DomainSnapshot } from '../snapshot/snapshot.ts';
import { createInstalledVersion } from './installed-version.ts';

export const qemuCollector: Collector = {
  name: 'qemu',
  help: 'the QEMU each running domain runs on against the installed one',
  enabledByDefault: true,
  collect: ({ domains, hypervisor }) => {
    const info = gauge(
      'libvirt_domain_qemu_info',
      'QEMU version the domain runs on, the installed one, and how the former was learnt (log, event, binary, ' +
        'start_time or none); always 1.',
    );
    const outdated = gauge(
      'libvirt_domain_qemu_outdated',
      "Whether the domain's process runs an older binary than the installed one; absent when it cannot be told.",
    );
    const versionOf = createInstalledVersion(hypervisor);
    for (const domain of domains) {
      const { id, name, current } = domain;
      if (id < 0 || current === undefined) continue;
      const version = versionOf(current);
      const installed = version && formatVersion(version);
      const result = evaluateQemu({
        installedVersion: installed,
        loggedVersion: domain.loggedVersion,
        // Events tell the version of the default emulator only.
        startedWithVersion: installed && domain.startedWithVersion,
        runsInstalledFile: runsInstalledFile(domain),
        startSeconds: domain.process?.startSeconds ?? domain.startObservedSeconds,
        fileBornSeconds: domain.emulatorFile?.bornSeconds,
        fileChangedSeconds: domain.emulatorFile?.changedSeconds,
      });
      info.samples.push({
        labels: {
          domain: name,
          running_version: result.runningVersion,
          installed_version: installed ?? 'unknown',
          source: result.source,
        },
        value: 1,
      });
      if (result.outdated !== undefined) {
        outdated.samples.push({ labels: { domain: name }, value: boolToNumber(result.outdated) });
      }
    }
    return [info, outdated];
  },
};

function runsInstalledFile({ process, emulatorFile }: DomainSnapshot): boolean | undefined {
  if (process?.binary === undefined || emulatorFile === undefined) return undefined;
  return process.binary.dev === emulatorFile.dev && process.binary.ino === emulatorFile.ino;
}
