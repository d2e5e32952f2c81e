import { allUnavailable } from '../guest/guest-state.ts';
import { GUEST_FAMILIES, PROBE_ERRORS, type UnavailableReason } from '../guest/unavailable-reason.ts';
import type { Collector } from '../metrics/collector.ts';
import {
  addBoolean,
  addSample,
  counter,
  gauge,
  info,
  newFamily,
  sanitizeLabel,
} from '../metrics/metric-family.ts';
import type { DomainSnapshot } from '../snapshot/snapshot.ts';

const UP = gauge(
  'libvirt_domain_guest_agent_up',
  'Whether the guest agent answered the last guest probe: 1 yes, 0 no; absent when the domain has no agent channel.',
  ['domain'],
);
const INFO = info(
  'libvirt_domain_guest_agent_info',
  'Version of the guest agent, cached from the last guest probe; always 1.',
  ['domain', 'version'],
);
const PROBE_TIMESTAMP = gauge(
  'libvirt_domain_guest_probe_timestamp_seconds',
  'End of the last guest probe, in seconds since the Unix epoch; all cached values of the guest are of this time.',
  ['domain'],
);
const PROBE_DURATION = gauge(
  'libvirt_domain_guest_probe_duration_seconds',
  'Duration of the last guest probe, in seconds.',
  ['domain'],
);
const ERRORS = counter(
  'libvirt_domain_guest_probe_errors_total',
  'Guest probes that did not get all values, by reason, since the exporter started.',
  ['domain', 'reason'],
  { values: { reason: PROBE_ERRORS } },
);
const MISSING = gauge(
  'libvirt_domain_guest_missing',
  'Reason why a family of values from inside the guest has no current data, or lacks a part of it; 1 for each such family.',
  ['domain', 'family', 'reason'],
  { values: { family: [...GUEST_FAMILIES, 'balloon'] } },
);

export const guestAgentCollector: Collector = {
  name: 'guest-agent',
  help: "each guest agent's health, and why values from inside a guest are missing",
  enabledByDefault: true,
  needs: "libvirt's read-write socket; without it only `libvirt_domain_guest_missing` is served",
  families: [UP, INFO, PROBE_TIMESTAMP, PROBE_DURATION, ERRORS, MISSING],
  collect: ({ domains }) => {
    const up = newFamily(UP);
    const versions = newFamily(INFO);
    const timestamp = newFamily(PROBE_TIMESTAMP);
    const duration = newFamily(PROBE_DURATION);
    const errors = newFamily(ERRORS);
    const missing = newFamily(MISSING);
    for (const domain of domains) {
      const { name, guest } = domain;
      const labels = { domain: name };
      for (const [family, reason] of missingFamilies(domain)) {
        addSample(missing, { domain: name, family, reason }, 1);
      }
      if (guest === undefined) continue;
      addBoolean(up, labels, guest.agentUp);
      const version = guest.sample?.agentVersion;
      if (version !== undefined) addSample(versions, { domain: name, version: sanitizeLabel(version) }, 1);
      addSample(timestamp, labels, guest.lastProbe?.completedSeconds);
      addSample(duration, labels, guest.lastProbe?.durationSeconds);
      for (const reason of PROBE_ERRORS) {
        addSample(errors, { domain: name, reason }, guest.errors.get(reason));
      }
    }
    return [up, versions, timestamp, duration, errors, missing];
  },
};

/** virDomainState. */
const RUNNING = 1;
/** A balloon driver without a report for three periods, and for at least a minute, has stopped reporting. */
const STALE_PERIODS = 3;
const SHORTEST_STALE_SECONDS = 60;

function missingFamilies(domain: DomainSnapshot): [string, string][] {
  if (domain.id < 0) return [];
  // The guest of a domain is not probed before its configuration has been read.
  const unread = domain.current === undefined ? allUnavailable('busy') : new Map<string, string>();
  const families: [string, string][] = [...(domain.guest?.missing ?? unread)];
  const balloon = whyNoBalloon(domain);
  if (balloon !== undefined) families.push(['balloon', balloon]);
  return families;
}

function whyNoBalloon({ current, state, measured }: DomainSnapshot): UnavailableReason | undefined {
  if (current === undefined) return 'busy';
  const { balloonPeriodSeconds: period } = current;
  if (period === undefined) return 'unsupported';
  if (period === 0) return 'balloon_period_off';
  // The domain's QEMU did not answer, or another client held its job lock.
  if (measured?.complete === false) return 'busy';
  const balloon = measured?.complete === true ? measured.stats?.balloon : undefined;
  // The collector of the balloon is off.
  if (balloon === undefined || balloon.size === 0) return undefined;
  const updated = balloon.get('last-update');
  // Without the time of the last update the hypervisor's balloon keeps no statistics, whatever the period.
  if (updated === undefined) return 'unsupported';
  if (updated === 0) return 'agent_silent';
  // QEMU's timer for the reports stops while the domain is paused.
  const stale = Math.max(SHORTEST_STALE_SECONDS, STALE_PERIODS * period);
  return state === RUNNING && Date.now() / 1000 - updated > stale ? 'agent_silent' : undefined;
}
