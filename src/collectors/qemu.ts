import { evaluateQemu, QEMU_VERSION_SOURCES } from '../drift/qemu-version.ts';
import type { Collector } from '../metrics/collector.ts';
import { addBoolean, addSample, gauge, info, newFamily } from '../metrics/metric-family.ts';
import { qemuEvidence } from '../snapshot/qemu-evidence.ts';

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
  collect: ({ domains }) => {
    const versions = newFamily(INFO);
    const outdated = newFamily(OUTDATED);
    for (const domain of domains) {
      const { id, name, current, installedVersion, rememberedVersion: remembered } = domain;
      if (id < 0 || current === undefined) continue;
      const result = evaluateQemu({ ...qemuEvidence(domain), remembered });
      const labels = {
        domain: name,
        running_version: result.runningVersion,
        installed_version: installedVersion ?? 'unknown',
        source: result.source,
      };
      addSample(versions, labels, 1);
      addBoolean(outdated, { domain: name }, result.outdated);
    }
    return [versions, outdated];
  },
};
