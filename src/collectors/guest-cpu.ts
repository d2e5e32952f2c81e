import { CPU_MODES } from '../guest/guest-sample.ts';
import type { Collector } from '../metrics/collector.ts';
import { addSample, counter, newFamily } from '../metrics/metric-family.ts';
import { AGENT_NEEDS } from './guest-needs.ts';

const SECONDS = counter(
  'libvirt_domain_guest_cpu_seconds_total',
  "CPU time by mode as the guest counts it, in seconds since the guest's boot, summed over its CPUs; cached from the " +
    'last guest probe.',
  ['domain', 'mode'],
  {
    values: { mode: CPU_MODES },
    needs:
      'Linux guest with agent 7.1 (`guest-get-cpustats`), or with an agent that allows file reads (`/proc/stat`)',
  },
);

export const guestCpuCollector: Collector = {
  name: 'guest-cpu',
  help: 'CPU time inside each guest by mode, iowait among them',
  enabledByDefault: true,
  needs: AGENT_NEEDS,
  families: [SECONDS],
  collect: ({ domains }) => {
    const seconds = newFamily(SECONDS);
    for (const { name, guest } of domains) {
      const cpu = guest?.sample?.cpu;
      if (cpu === undefined) continue;
      for (const mode of CPU_MODES) addSample(seconds, { domain: name, mode }, cpu[mode]);
    }
    return [seconds];
  },
};
