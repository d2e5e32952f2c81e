import { parseOsId } from '../drift/declared-os.ts';
import { detectOs, mayBeDeclared } from '../drift/os-detection.ts';
import { type DetectedOs, evaluateOsDrift, OS_DRIFT_STATES } from '../drift/os-drift.ts';
import type { GuestOs } from '../guest/guest-sample.ts';
import type { Collector } from '../metrics/collector.ts';
import {
  addBoolean,
  addSample,
  gauge,
  info,
  newFamily,
  sanitizeLabel,
  stateSet,
} from '../metrics/metric-family.ts';
import type { DomainSnapshot } from '../snapshot/snapshot.ts';

const DETECTED_NEEDS =
  "The running system: libvirt's read-write socket and guest agent 2.10 (`guest-get-osinfo`)";

const INFO = info(
  'libvirt_domain_os_info',
  "Operating system that the domain's configuration declares (osinfo id) and the one that its guest agent reports, " +
    'cached from the last guest probe; empty where unknown; always 1.',
  ['domain', 'declared', 'detected', 'name', 'version_id', 'kernel'],
  { needs: DETECTED_NEEDS },
);
const DRIFT = stateSet(
  'libvirt_domain_os_drift',
  "Operating system that the domain's configuration declares, compared with the one that its guest agent reports, " +
    'cached from the last guest probe: 1 for the state that holds, 0 for the others.',
  ['domain', 'state'],
  { values: { state: OS_DRIFT_STATES }, needs: DETECTED_NEEDS },
);
const END_OF_LIFE = gauge(
  'libvirt_domain_os_eol_timestamp_seconds',
  "End of life of the domain's operating system, in seconds since the Unix epoch: of the one that its guest agent " +
    'reports, cached from the last guest probe, or, if none is reported, of the declared one; absent where osinfo-db ' +
    'has no date.',
  ['domain', 'os'],
  { needs: DETECTED_NEEDS },
);

export const osCollector: Collector = {
  name: 'os',
  help: "each domain's declared OS against the one that runs, and its end of life",
  enabledByDefault: true,
  families: [INFO, DRIFT, END_OF_LIFE],
  collect: ({ domains, endOfLife, isKnownOs }) => {
    const systems = newFamily(INFO);
    const drift = newFamily(DRIFT);
    const eol = newFamily(END_OF_LIFE);
    for (const domain of domains) {
      const { name, current } = domain;
      if (current === undefined) continue;
      const detected = detect(domain, isKnownOs);
      const detectedId = detected.kind === 'id' ? detected.id : undefined;
      const os = domain.guest?.sample?.os;
      const labels = {
        domain: name,
        declared: sanitizeLabel(current.declaredOs),
        detected: sanitizeLabel(detectedId),
        name: sanitizeLabel(os?.prettyName ?? os?.name),
        version_id: sanitizeLabel(os?.versionId),
        kernel: sanitizeLabel(os?.kernelRelease),
      };
      addSample(systems, labels, 1);
      const holds = evaluateOsDrift({ declared: current.declaredOs, detected });
      for (const state of OS_DRIFT_STATES) addBoolean(drift, { domain: name, state }, state === holds);
      const osId = endOfLifeOf(detectedId, current.declaredOs, os);
      // osinfo-db gives some ids that name no release the date of one of their releases.
      const isRelease = osId !== undefined && !parseOsId(osId).unknown;
      addSample(eol, { domain: name, os: sanitizeLabel(osId) }, isRelease ? endOfLife(osId) : undefined);
    }
    return [systems, drift, eol];
  },
};

function detect({ guest, current }: DomainSnapshot, isKnownOs: (osId: string) => boolean): DetectedOs {
  const os = guest?.sample?.os;
  if (os === undefined) return { kind: 'unavailable' };
  const id = detectOs(os, isKnownOs, current?.declaredOs);
  return id === undefined ? { kind: 'unmappable' } : { kind: 'id', id };
}

/** The system whose end of life is served: the running one, or the declared one unless another is known to run. */
function endOfLifeOf(
  detected: string | undefined,
  declared: string | undefined,
  os: GuestOs | undefined,
): string | undefined {
  if (os === undefined || declared === undefined) return detected ?? declared;
  const isCertain = detected !== undefined && !parseOsId(detected).unknown;
  if (isCertain) return detected;
  return mayBeDeclared(os, declared) ? declared : undefined;
}
