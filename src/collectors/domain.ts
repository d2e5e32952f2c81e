import type { Collector } from '../metrics/collector.ts';
import { boolToNumber, gauge, sanitizeLabel } from '../metrics/metric-family.ts';
import type { DomainSnapshot } from '../snapshot/snapshot.ts';
import { DOMAIN_STATES } from './domain-states.ts';

export const domainCollector: Collector = {
  name: 'domain',
  help: 'identity, state and start time of each domain',
  enabledByDefault: true,
  collect: ({ domains }) => {
    const info = gauge('libvirt_domain_info', 'Identity of the domain; always 1.');
    const state = gauge('libvirt_domain_state', 'State of the domain: 1 for the one it is in.');
    const success = gauge(
      'libvirt_domain_scrape_success',
      'Whether what is served of this domain is current; 0 when libvirt could not tell it in time.',
    );
    const start = gauge(
      'libvirt_domain_start_time_seconds',
      "When the domain's process started, Unix time; absent where that cannot be seen.",
    );
    for (const domain of domains) {
      const { name, uuid, current } = domain;
      if (current !== undefined) {
        const { arch, osType, emulator } = current;
        info.samples.push({
          labels: {
            domain: name,
            uuid,
            arch: sanitizeLabel(arch),
            os_type: sanitizeLabel(osType),
            emulator: sanitizeLabel(emulator),
          },
          value: 1,
        });
      }
      for (const [number, stateName] of DOMAIN_STATES.entries()) {
        state.samples.push({
          labels: { domain: name, state: stateName },
          value: boolToNumber(domain.state === number),
        });
      }
      const readable =
        current !== undefined && domain.problem === undefined && domain.measured?.complete !== false;
      success.samples.push({ labels: { domain: name }, value: boolToNumber(readable) });
      const startSeconds = startTime(domain);
      if (startSeconds !== undefined) start.samples.push({ labels: { domain: name }, value: startSeconds });
    }
    return [info, state, success, start];
  },
};

function startTime({ id, process, startObservedSeconds }: DomainSnapshot): number | undefined {
  return id < 0 ? undefined : (process?.startSeconds ?? startObservedSeconds);
}
