import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { assemble } from './dashboard.ts';
import { FACT_COLUMNS, factQueries, REMOVAL_COLUMNS, removalQueries } from './facts.ts';
import { fleetDetails } from './fleet-details.ts';
import { fleetStats } from './fleet-stats.ts';
import type { Section } from './layout.ts';
import { COLOR, SEVERITY } from './mappings.ts';
import { barChart, barGauge } from './panels.ts';
import { firingAlerts, guestCpuShare, ROW, select } from './queries.ts';
import { table } from './table.ts';
import { commonVariables } from './variables.ts';

function toDo(): Section {
  return {
    id: 100,
    title: 'What needs doing',
    panels: [
      table({
        id: 101,
        title: 'Who will not survive the next QEMU upgrades',
        description:
          'By QEMU’s policy this release, one of the next nine (three years), no longer has the machine type. Before it is installed: set a newer type, then stop and start.',
        w: 14,
        h: 9,
        queries: removalQueries(),
        columns: REMOVAL_COLUMNS,
        sortBy: { title: 'Releases left', desc: false },
        noValue: 'none within nine releases',
      }),
      barChart({
        id: 102,
        title: 'Domains lost, by QEMU release',
        description: 'How many domains each QEMU release leaves without their machine type.',
        w: 10,
        h: 9,
        unit: 'none',
        base: COLOR.wrong,
        label: 'removed_in',
        queries: [
          { expr: `count by (removed_in) (${select('libvirt_domain_machine_type_info', 'removed_in!=""')})` },
        ],
      }),
      table({
        id: 103,
        title: 'Drift',
        description:
          'Everything that can differ between what a domain is and what it could be, a row for each domain. Click its name for its own dashboard.',
        w: 24,
        h: 11,
        queries: factQueries(),
        columns: FACT_COLUMNS,
        sortBy: { title: 'iowait', desc: true },
      }),
      barGauge({
        id: 104,
        title: 'Worst iowait',
        description: 'Share of the guest’s CPU time spent waiting for I/O, the ten highest.',
        w: 7,
        h: 9,
        unit: 'percentunit',
        max: 1,
        steps: [
          [0.1, COLOR.soon],
          [0.2, COLOR.broken],
        ],
        queries: [{ expr: `sort_desc(topk(10, ${guestCpuShare('iowait', ROW)}))`, legend: '{{domain}}' }],
      }),
      barGauge({
        id: 105,
        title: 'Most swap in use',
        description: 'Swap in use inside the guest, the ten largest.',
        w: 7,
        h: 9,
        unit: 'bytes',
        steps: [[1, COLOR.soon]],
        queries: [
          {
            expr: `sort_desc(topk(10, max by (${ROW}) (${select('libvirt_domain_guest_swap_used_bytes')})))`,
            legend: '{{domain}}',
          },
        ],
      }),
      table({
        id: 106,
        title: 'Alerts',
        description:
          'Firing alerts of the rules shipped with the exporter, and for how long. That Prometheus has no exporter to scrape at all, LibvirtExporterDown without an instance, shows on Prometheus’ own page only.',
        w: 10,
        h: 9,
        queries: [{ expr: `max by (severity, alertname, ${ROW}) (${firingAlerts()})` }],
        columns: [
          { from: 'severity', title: 'Severity', mappings: SEVERITY, cell: 'background', width: 90 },
          { from: 'alertname', title: 'Alert' },
          { from: 'domain' },
          { from: 'instance' },
          { from: 'A', title: 'Since', unit: 'dateTimeFromNow', width: 120 },
        ],
        sortBy: { title: 'Severity', desc: false },
        noValue: 'none',
      }),
    ],
  };
}

export function fleet(): Dashboard {
  return assemble({
    key: 'fleet',
    title: 'Fleet',
    description:
      'All hypervisors: which domains are on old machine types, an old QEMU or another OS than declared, who will not survive the next QEMU upgrades, and which guests suffer now.',
    from: 'now-6h',
    variables: commonVariables(),
    stats: fleetStats(),
    open: toDo(),
    rest: fleetDetails(),
  });
}
