import type { Collector } from '../metrics/collector.ts';
import { addBoolean, addSample, type FamilySpec, gauge, newFamily } from '../metrics/metric-family.ts';
import { AGENT_NEEDS } from './guest-needs.ts';

function loadGauge(minutes: 1 | 5 | 15): FamilySpec {
  return gauge(
    `libvirt_domain_guest_load${minutes}`,
    `Load average of the guest over ${minutes} min; cached from the last guest probe.`,
    ['domain'],
    {
      needs:
        'Agent 10.0 (`guest-get-load`), or a Linux guest whose agent allows file reads (`/proc/loadavg`)',
    },
  );
}

const LOAD1 = loadGauge(1);
const LOAD5 = loadGauge(5);
const LOAD15 = loadGauge(15);
const BOOT_TIME = gauge(
  'libvirt_domain_guest_boot_time_seconds',
  "Boot time of the guest's kernel by the guest's clock, in seconds since the Unix epoch; cached from the last guest probe.",
  ['domain'],
  { needs: 'Linux guest whose agent allows file reads (`/proc/stat`)' },
);
const KUBERNETES_NODE = gauge(
  'libvirt_domain_guest_kubernetes_node',
  'Whether the guest has a kubelet configuration: 1 yes, 0 no; absent where the agent cannot open files; cached from ' +
    'the last guest probe.',
  ['domain'],
  { needs: 'Linux guest whose agent allows files to be opened' },
);

export const guestLoadCollector: Collector = {
  name: 'guest-load',
  help: "each guest's load, boot time, and whether it is a Kubernetes node",
  enabledByDefault: true,
  needs: AGENT_NEEDS,
  families: [LOAD1, LOAD5, LOAD15, BOOT_TIME, KUBERNETES_NODE],
  collect: ({ domains }) => {
    const load1 = newFamily(LOAD1);
    const load5 = newFamily(LOAD5);
    const load15 = newFamily(LOAD15);
    const bootTime = newFamily(BOOT_TIME);
    const kubernetesNode = newFamily(KUBERNETES_NODE);
    for (const { name: domain, guest } of domains) {
      const sample = guest?.sample;
      addSample(load1, { domain }, sample?.load?.load1);
      addSample(load5, { domain }, sample?.load?.load5);
      addSample(load15, { domain }, sample?.load?.load15);
      addSample(bootTime, { domain }, sample?.bootTimeSeconds);
      addBoolean(kubernetesNode, { domain }, sample?.kubernetesNode);
    }
    return [load1, load5, load15, bootTime, kubernetesNode];
  },
};
