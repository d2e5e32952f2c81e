import type { Collector } from '../metrics/collector.ts';
import { boolToNumber, gauge, type MetricFamily } from '../metrics/metric-family.ts';

export const guestLoadCollector: Collector = {
  name: 'guest-load',
  help: "each guest's load, boot time, and whether it is a Kubernetes node",
  enabledByDefault: true,
  collect: ({ domains }) => {
    const loads = [1, 5, 15].map((minutes) =>
      gauge(`libvirt_domain_guest_load${minutes}`, `Load average of ${minutes} min, from the last probe.`),
    );
    const boot = gauge(
      'libvirt_domain_guest_boot_time_seconds',
      "When the guest's kernel booted by its own clock, Unix time, from the last probe.",
    );
    const kubernetes = gauge(
      'libvirt_domain_guest_kubernetes_node',
      'Whether the guest carries a kubelet configuration; absent where files cannot be looked for.',
    );
    for (const { name, guest } of domains) {
      const reading = guest?.reading;
      if (reading === undefined) continue;
      const { load, bootTimeSeconds, kubernetesNode } = reading;
      const add = (family: MetricFamily | undefined, value: number | undefined): void => {
        if (value !== undefined) family?.samples.push({ labels: { domain: name }, value });
      };
      add(loads[0], load?.load1);
      add(loads[1], load?.load5);
      add(loads[2], load?.load15);
      add(boot, bootTimeSeconds);
      add(kubernetes, kubernetesNode === undefined ? undefined : boolToNumber(kubernetesNode));
    }
    return [...loads, boot, kubernetes];
  },
};
