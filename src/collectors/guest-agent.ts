import { PROBE_ERRORS, type UnavailableReason } from '../guest/unavailable-reason.ts';
import type { Collector } from '../metrics/collector.ts';
import { boolToNumber, counter, gauge, sanitizeLabel } from '../metrics/metric-family.ts';
import type { DomainSnapshot } from '../snapshot/snapshot.ts';

export const guestAgentCollector: Collector = {
  name: 'guest-agent',
  help: "each guest agent's health, and why values from inside a guest are missing",
  enabledByDefault: true,
  collect: ({ domains }) => {
    const up = gauge(
      'libvirt_domain_guest_agent_up',
      'Whether the last probe of the guest agent got answers; absent when no agent channel is configured.',
    );
    const info = gauge('libvirt_domain_guest_agent_info', 'Version of the guest agent; always 1.');
    const timestamp = gauge(
      'libvirt_domain_guest_probe_timestamp_seconds',
      'When the last probe of the guest ended, Unix time; guest metrics are as old as this.',
    );
    const duration = gauge('libvirt_domain_guest_probe_duration_seconds', 'How long the last probe took.');
    const errors = counter(
      'libvirt_domain_guest_probe_errors_total',
      'Probes of the guest that did not get all they asked for, by reason.',
    );
    const missing = gauge(
      'libvirt_domain_guest_missing',
      'Why a family of values from inside the guest has no current data; 1 for each such family.',
    );
    for (const domain of domains) {
      const { name, guest } = domain;
      for (const [family, reason] of missingFamilies(domain)) {
        missing.samples.push({ labels: { domain: name, family, reason }, value: 1 });
      }
      if (guest === undefined) continue;
      if (guest.agentUp !== undefined)
        up.samples.push({ labels: { domain: name }, value: boolToNumber(guest.agentUp) });
      const version = guest.reading?.agentVersion;
      if (version !== undefined)
        info.samples.push({ labels: { domain: name, version: sanitizeLabel(version) }, value: 1 });
      if (guest.lastProbe !== undefined) {
        timestamp.samples.push({ labels: { domain: name }, value: guest.lastProbe.completedSeconds });
        duration.samples.push({ labels: { domain: name }, value: guest.lastProbe.durationSeconds });
      }
      for (const reason of PROBE_ERRORS) {
        const count = guest.errors.get(reason);
        if (count !== undefined) errors.samples.push({ labels: { domain: name, reason }, value: count });
      }
    }
    return [up, info, timestamp, duration, errors, missing];
  },
};

/** virDomainState. */
const RUNNING = 1;
/** A balloon that told nothing for three of its periods, and for a minute, has stopped telling. */
const STALE_PERIODS = 3;
const SHORTEST_STALE_SECONDS = 60;

function missingFamilies(domain: DomainSnapshot): [string, string][] {
  if (domain.id < 0) return [];
  const families: [string, string][] = [...(domain.guest?.missing ?? [])];
  const balloon = whyNoBalloon(domain);
  if (balloon !== undefined) families.push(['balloon', balloon]);
  return families;
}

function whyNoBalloon({ current, state, measured }: DomainSnapshot): UnavailableReason | undefined {
  if (current === undefined) return undefined;
  const { balloonPeriodSeconds: period } = current;
  if (period === undefined) return 'unsupported';
  if (period === 0) return 'balloon_period_off';
  const balloon = measured?.complete === true ? measured.stats?.balloon : undefined;
  if (balloon === undefined || balloon.size === 0) return undefined;
  const updated = balloon.get('last-update');
  // Asked for, and without the time of the last update: the hypervisor's balloon keeps no statistics.
  if (updated === undefined) return 'unsupported';
  if (updated === 0) return 'agent_silent';
  // QEMU's timer stands still while the domain is paused.
  const stale = Math.max(SHORTEST_STALE_SECONDS, STALE_PERIODS * period);
  return state === RUNNING && Date.now() / 1000 - updated > stale ? 'agent_silent' : undefined;
}
