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
import { DOMAIN_STATES } from './domain-states.ts';
import { describeState, STATE_REASONS } from './state-reasons.ts';

const INFO = info(
  'libvirt_domain_info',
  'UUID, architecture, OS type and emulator path of the domain; always 1.',
  ['domain', 'uuid', 'arch', 'os_type', 'emulator'],
);
const STATE = stateSet(
  'libvirt_domain_state',
  'State of the domain in libvirt: 1 for the state that the domain is in, 0 for the others.',
  ['domain', 'state'],
  { values: { state: DOMAIN_STATES } },
);
const STATE_REASON = info(
  'libvirt_domain_state_reason_info',
  "State of the domain and libvirt's reason for it; always 1.",
  ['domain', 'state', 'reason'],
  { values: { state: DOMAIN_STATES, reason: STATE_REASONS } },
);
const SUCCESS = gauge(
  'libvirt_domain_scrape_success',
  'Whether all values of the domain that libvirt has were read in this scrape: 1 yes, 0 no, because libvirt or the ' +
    "domain's QEMU did not answer in time.",
  ['domain'],
);
const STATS_TIME = gauge(
  'libvirt_domain_stats_timestamp_seconds',
  "Time at which the domain's disk, balloon and vCPU statistics were read, in seconds since the Unix epoch; absent while they " +
    'are missing. Divide their rates by the rate of this time: scrapes can have gaps.',
  ['domain'],
);
const START_TIME = gauge(
  'libvirt_domain_start_time_seconds',
  "Start time of the domain's QEMU process, in seconds since the Unix epoch; absent where the time is unknown.",
  ['domain'],
  { needs: '`/proc` without `hidepid`; else known only for starts that the exporter saw' },
);

export const domainCollector: Collector = {
  name: 'domain',
  help: 'identity, state and start time of each domain',
  enabledByDefault: true,
  families: [INFO, STATE, STATE_REASON, SUCCESS, STATS_TIME, START_TIME],
  collect: ({ domains }) => {
    const identity = newFamily(INFO);
    const states = newFamily(STATE);
    const reasons = newFamily(STATE_REASON);
    const success = newFamily(SUCCESS);
    const statsTime = newFamily(STATS_TIME);
    const start = newFamily(START_TIME);
    for (const domain of domains) {
      const { name, uuid, current } = domain;
      if (current !== undefined) {
        const labels = {
          domain: name,
          uuid,
          arch: sanitizeLabel(current.arch),
          os_type: sanitizeLabel(current.osType),
          emulator: sanitizeLabel(current.emulator),
        };
        addSample(identity, labels, 1);
      }
      for (const [number, state] of DOMAIN_STATES.entries()) {
        addBoolean(states, { domain: name, state }, domain.state === number);
      }
      const reason = describeState(domain.state, domain.reason);
      if (reason !== undefined) addSample(reasons, { domain: name, ...reason }, 1);
      const readable =
        current !== undefined && domain.problem === undefined && domain.measured?.complete !== false;
      const labels = { domain: name };
      addBoolean(success, labels, readable);
      addSample(statsTime, labels, domain.measured?.readAtSeconds);
      addSample(start, labels, domain.startSeconds);
    }
    return [identity, states, reasons, success, statsTime, start];
  },
};
