import type { Collector } from '../metrics/collector.ts';
import { addSample, counter, gauge, newFamily } from '../metrics/metric-family.ts';

const NEEDS = {
  needs:
    'A CPU quota (`<cputune>`, or `CPUQuota=` of systemd) and the cgroup controller `cpu`; `/proc` and `/sys/fs/cgroup` of ' +
    'the host',
};

const QUOTA = gauge(
  'libvirt_domain_cpu_quota_cores',
  'CPU time that the quotas of the domain allow all its vCPUs together, in seconds per second; absent without a quota for vCPUs.',
  ['domain'],
  NEEDS,
);
const PERIODS = counter(
  'libvirt_domain_cpu_periods_total',
  "Number of periods in which the domain's cgroups with a CPU quota ran; with a quota for each vCPU, summed over vCPUs; " +
    'absent for a domain that had no quota since its start.',
  ['domain'],
  NEEDS,
);
const THROTTLED_PERIODS = counter(
  'libvirt_domain_cpu_throttled_periods_total',
  "Number of periods in which the domain's cgroups used up their CPU quota and had to wait for the next period; absent for " +
    'a domain that had no quota since its start.',
  ['domain'],
  NEEDS,
);
const THROTTLED = counter(
  'libvirt_domain_cpu_throttled_seconds_total',
  'Time that vCPUs and other threads of the domain waited because a CPU quota was used up, in seconds, summed over CPUs; ' +
    "absent for a domain that had no quota since its start. A quota of a group above the domain's is not included.",
  ['domain'],
  NEEDS,
);

export const throttleCollector: Collector = {
  name: 'throttle',
  help: 'CPU quota of each domain, and the time that the domain waited for it',
  enabledByDefault: true,
  measures: ['throttle'],
  families: [QUOTA, PERIODS, THROTTLED_PERIODS, THROTTLED],
  collect: ({ domains }) => {
    const cores = newFamily(QUOTA);
    const periods = newFamily(PERIODS);
    const throttledPeriods = newFamily(THROTTLED_PERIODS);
    const throttled = newFamily(THROTTLED);
    for (const { name, processSample } of domains) {
      const quota = processSample?.quota;
      if (quota === undefined) continue;
      const labels = { domain: name };
      addSample(cores, labels, quota.cores);
      addSample(periods, labels, quota.periods);
      addSample(throttledPeriods, labels, quota.throttledPeriods);
      addSample(throttled, labels, quota.throttledSeconds);
    }
    return [cores, periods, throttledPeriods, throttled];
  },
};
