import { parseOsId } from '../drift/declared-os.ts';
import { detectOs } from '../drift/os-detection.ts';
import { type DetectedOs, evaluateOsDrift, OS_DRIFT_STATES } from '../drift/os-drift.ts';
import type { Collector } from '../metrics/collector.ts';
import { boolToNumber, gauge, sanitizeLabel } from '../metrics/metric-family.ts';
import type { DomainSnapshot } from '../snapshot/snapshot.ts';

export const osCollector: Collector = {
  name: 'os',
  help: "each domain's declared OS against the one that runs, and its end of life",
  enabledByDefault: true,
  collect: ({ domains, endOfLife, isKnownOs }) => {
    const info = gauge(
      'libvirt_domain_os_info',
      'Operating system that the configuration declares (osinfo id) and the one found running; empty where ' +
        'unknown; always 1.',
    );
    const drift = gauge(
      'libvirt_domain_os_drift',
      'Declared operating system against the running one: 1 for the state that holds.',
    );
    const eol = gauge(
      'libvirt_domain_os_eol_timestamp_seconds',
      'End of life of the operating system found running, else of the declared one, Unix time; absent where ' +
        'osinfo-db has no date.',
    );
    for (const domain of domains) {
      const { name, current } = domain;
      if (current === undefined) continue;
      const detected = detect(domain, isKnownOs);
      const detectedId = detected.kind === 'id' ? detected.id : undefined;
      const os = domain.guest?.reading?.os;
      info.samples.push({
        labels: {
          domain: name,
          declared: sanitizeLabel(current.declaredOs),
          detected: sanitizeLabel(detectedId),
          name: sanitizeLabel(os?.prettyName ?? os?.name),
          version_id: sanitizeLabel(os?.versionId),
          kernel: sanitizeLabel(os?.kernelRelease),
        },
        value: 1,
      });
      const state = evaluateOsDrift({ declared: current.declaredOs, detected });
      for (const each of OS_DRIFT_STATES) {
        drift.samples.push({ labels: { domain: name, state: each }, value: boolToNumber(each === state) });
      }
      const osId = detectedId ?? current.declaredOs;
      // osinfo-db dates some of the ids that name no release, by that of a release of theirs.
      const eolSeconds = osId === undefined || parseOsId(osId).unknown ? undefined : endOfLife(osId);
      if (eolSeconds !== undefined) {
        eol.samples.push({ labels: { domain: name, os: sanitizeLabel(osId) }, value: eolSeconds });
      }
    }
    return [info, drift, eol];
  },
};

function detect({ guest, current }: DomainSnapshot, isKnownOs: (osId: string) => boolean): DetectedOs {
  const os = guest?.reading?.os;
  if (os === undefined) return { kind: 'unavailable' };
  const id = detectOs(os, isKnownOs, current?.declaredOs);
  return id === undefined ? { kind: 'unmappable' } : { kind: 'id', id };
}
