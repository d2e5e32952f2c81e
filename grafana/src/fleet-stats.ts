import type { Panel } from '@grafana/grafana-foundation-sdk/dashboard';
import { COLOR } from './mappings.ts';
import { type Step, stat } from './panels.ts';
import { firingAlerts, guestCpuShare, ONE_DOMAIN, ofExporters, select, swapTraffic } from './queries.ts';

const ANY_WRONG: readonly Step[] = [[1, COLOR.wrong]];
const ANY_BROKEN: readonly Step[] = [[1, COLOR.broken]];

const count = { w: 4, h: 3, unit: 'none' } as const;

export function fleetStats(): Panel[] {
  return [
    stat({
      ...count,
      id: 1,
      title: 'Not answering',
      description:
        'Exporters that answered within a day and that Prometheus cannot reach, and exporters that cannot reach libvirt.',
      queries: [
        {
          expr: `sum(${ofExporters(select('up'), '1d')} == bool 0) + (sum(${select('libvirt_up')} == bool 0) or vector(0))`,
        },
      ],
      steps: ANY_BROKEN,
    }),
    stat({
      ...count,
      id: 2,
      title: 'Running domains',
      description: 'Domains in the state running, on all hypervisors chosen.',
      queries: [{ expr: `sum(${select('libvirt_domains', 'state="running"')})` }],
      base: COLOR.unknown,
    }),
    stat({
      ...count,
      id: 3,
      title: 'Will not start again',
      description: 'Domains whose machine type the installed QEMU no longer has: once off, they stay off.',
      queries: [{ expr: `sum(${select('libvirt_domain_machine_type_supported')} == bool 0)` }],
      steps: ANY_BROKEN,
    }),
    stat({
      ...count,
      id: 4,
      title: 'Deprecated machine types',
      description: 'Domains on a machine type that a coming QEMU release drops.',
      queries: [{ expr: `sum(${select('libvirt_domain_machine_type_deprecated')})` }],
      steps: ANY_WRONG,
    }),
    stat({
      ...count,
      id: 5,
      title: 'On an old QEMU binary',
      description:
        'Domains that still run the QEMU from before the last package upgrade; a full stop and start ends that.',
      queries: [{ expr: `sum(${select('libvirt_domain_qemu_outdated')})` }],
      steps: ANY_WRONG,
    }),
    stat({
      ...count,
      id: 6,
      title: 'Configuration pending',
      description:
        'Domains with a change that waits for a full stop and start; a reboot inside the guest is not enough.',
      queries: [{ expr: `sum(max by (${ONE_DOMAIN}) (${select('libvirt_domain_config_pending')}))` }],
      steps: ANY_WRONG,
    }),
    stat({
      ...count,
      id: 7,
      title: 'Running another OS',
      description: 'Guests whose running OS is another distribution or major version than the one declared.',
      queries: [
        { expr: `sum(${select('libvirt_domain_os_drift', 'state=~"major_differs|distro_differs"')})` },
      ],
      steps: ANY_WRONG,
    }),
    stat({
      ...count,
      id: 8,
      title: 'OS without support',
      description: 'Domains whose OS is past its end of support.',
      queries: [{ expr: `sum(${select('libvirt_domain_os_eol_timestamp_seconds')} < bool time())` }],
      steps: ANY_BROKEN,
    }),
    stat({
      ...count,
      id: 9,
      title: 'High iowait',
      description: 'Guests that spend more than a fifth of their CPU time waiting for I/O now.',
      queries: [{ expr: `sum(${guestCpuShare('iowait', ONE_DOMAIN)} > bool 0.2)` }],
      steps: ANY_BROKEN,
    }),
    stat({
      ...count,
      id: 10,
      title: 'Guests swapping',
      description: 'Guests that move more than 100 KiB a second to and from swap now.',
      queries: [{ expr: `sum((${swapTraffic(ONE_DOMAIN)}) > bool 102400)` }],
      steps: ANY_BROKEN,
    }),
    stat({
      ...count,
      id: 11,
      title: 'Kubernetes nodes with swap',
      description:
        'Guests that carry a kubelet configuration and have swap: what slows them after an upgrade.',
      queries: [
        {
          expr: `sum(${select('libvirt_domain_guest_kubernetes_node')} * on (${ONE_DOMAIN}) (${select('libvirt_domain_guest_swap_total_bytes')} > bool 0))`,
        },
      ],
      steps: ANY_WRONG,
    }),
    stat({
      ...count,
      id: 12,
      title: 'Alerts firing',
      description:
        'Firing alerts of the rules shipped with the exporter; 0 also where these rules are not loaded. LibvirtExporterDown without an instance, no exporter to scrape at all, shows on Prometheus’ own page only.',
      queries: [{ expr: `count(${firingAlerts()}) or vector(0)` }],
      steps: ANY_WRONG,
    }),
  ];
}
