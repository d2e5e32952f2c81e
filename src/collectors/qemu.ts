import { formatVersion } from '../drift/qemu-release.ts';
import { judgeQemu } from '../drift/qemu-version.ts';
import type { Collector } from '../metrics/collector.ts';
import { flag, gauge } from '../metrics/metric-family.ts';
import type { DomainFacts } from '../snapshot/snapshot.ts';
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
      const verdict = judgeQemu({
        installedVersion: installed,
        loggedVersion: domain.loggedVersion,
        // Events tell the version of the default emulator only.
        startedWithVersion: installed && domain.startedWithVersion,
        runsInstalledFile: runsInstalledFile(domain),
        startSeconds: domain.process?.startSeconds ?? domain.startSeenSeconds,
        fileBornSeconds: domain.emulatorFile?.bornSeconds,
        fileChangedSeconds: domain.emulatorFile?.changedSeconds,
      });
      info.samples.push({
        labels: {
          domain: name,
          running_version: verdict.runningVersion,
          installed_version: installed ?? 'unknown',
          source: verdict.source,
        },
        value: 1,
      });
      if (verdict.outdated !== undefined) {
        outdated.samples.push({ labels: { domain: name }, value: flag(verdict.outdated) });
      }
    }
    return [info, outdated];
  },
};

function runsInstalledFile({ process, emulatorFile }: DomainFacts): boolean | undefined {
  if (process?.binary === undefined || emulatorFile === undefined) return undefined;
  return process.binary.dev === emulatorFile.dev && process.binary.ino === emulatorFile.ino;
}
