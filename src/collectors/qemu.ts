import { formatVersion } from '../drift/qemu-release.ts';
import { evaluateQemu, QEMU_VERSION_SOURCES } from '../drift/qemu-version.ts';
import type { Collector } from '../metrics/collector.ts';
import { addBoolean, addSample, gauge, info, newFamily } from '../metrics/metric-family.ts';
import type { DomainSnapshot } from '../snapshot/snapshot.ts';
import { createInstalledVersion } from './installed-version.ts';

const INFO = info(
  'libvirt_domain_qemu_info',
  'QEMU version that the domain runs on, the installed version, and the source of the former (log, event, binary, ' +
    'start_time or none); always 1.',
  ['domain', 'running_version', 'installed_version', 'source'],
  {
    values: { source: QEMU_VERSION_SOURCES },
    needs:
      "`log`: root. `binary`: root or QEMU's user. `start_time`: `/proc` without `hidepid`. `event`: the exporter saw the start",
  },
);
const OUTDATED = gauge(
  'libvirt_domain_qemu_outdated',
  "Whether the domain's process runs an older QEMU binary than the installed one: 1 yes, 0 no; absent where unknown.",
  ['domain'],
  {
    needs:
      "Certain as root or QEMU's user; else by start time, which needs `/proc` without `hidepid` and can leave the value absent",
  },
);

export const qemuCollector: Collector = {
  name: 'qemu',
  help: 'the QEMU each running domain runs on against the installed one',
  enabledByDefault: true,
  families: [INFO, OUTDATED],
  collect: ({ domains, hypervisor }) => {
    const versions = newFamily(INFO);
    const outdated = newFamily(OUTDATED);
    const versionOf = createInstalledVersion(hypervisor);
    for (const domain of domains) {
      const { id, name, current } = domain;
      if (id < 0 || current === undefined) continue;
      const version = versionOf(current);
      const installed = version && formatVersion(version);
      const result = evaluateQemu({
        installedVersion: installed,
        loggedVersion: domain.loggedVersion,
        // At an event only the version of the default emulator is known.
        startedWithVersion: installed && domain.startedWithVersion,
        runsInstalledFile: runsInstalledFile(domain),
        startSeconds: domain.process?.startSeconds ?? domain.startObservedSeconds,
        fileBornSeconds: domain.emulatorFile?.bornSeconds,
        fileChangedSeconds: domain.emulatorFile?.changedSeconds,
      });
      const labels = {
        domain: name,
        running_version: result.runningVersion,
        installed_version: installed ?? 'unknown',
        source: result.source,
      };
      addSample(versions, labels, 1);
      addBoolean(outdated, { domain: name }, result.outdated);
    }
    return [versions, outdated];
  },
};

function runsInstalledFile({ process, emulatorFile }: DomainSnapshot): boolean | undefined {
  if (process?.binary === undefined || emulatorFile === undefined) return undefined;
  return process.binary.dev === emulatorFile.dev && process.binary.ino === emulatorFile.ino;
}
