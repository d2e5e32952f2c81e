import type { Dashboard, Panel } from '@grafana/grafana-foundation-sdk/dashboard';
import { assemble } from './dashboard.ts';
import { FACT_COLUMNS, factQueries, REMOVAL_COLUMNS, removalQueries } from './facts.ts';
import type { Section } from './layout.ts';
import { COLOR } from './mappings.ts';
import { barGauge, pie, stat } from './panels.ts';
import { ONE_DOMAIN, select } from './queries.ts';
import { events, storagePools } from './storage-and-events.ts';
import { table } from './table.ts';
import { topConsumers } from './top-consumers.ts';
import { commonVariables } from './variables.ts';

const tile = { w: 4, h: 3, unit: 'none' } as const;

function stats(): Panel[] {
  return [
    stat({
      ...tile,
      id: 1,
      title: 'Hypervisor',
      description: 'The installed hypervisor and its version: what a domain gets at its next start.',
      names: true,
      base: COLOR.unknown,
      queries: [{ expr: select('libvirt_hypervisor_info'), legend: '{{driver}} {{version}}' }],
    }),
    stat({
      ...tile,
      id: 2,
      title: 'libvirt',
      description: 'The version of libvirt’s daemon.',
      names: true,
      base: COLOR.unknown,
      queries: [{ expr: select('libvirt_hypervisor_info'), legend: '{{libvirt_version}}' }],
    }),
    stat({
      ...tile,
      id: 3,
      title: 'Running domains',
      description: 'Domains in the state running.',
      base: COLOR.unknown,
      queries: [{ expr: `sum(${select('libvirt_domains', 'state="running"')})` }],
    }),
    stat({
      ...tile,
      id: 4,
      title: 'Will not start again',
      description: 'Domains whose machine type the installed QEMU no longer has.',
      steps: [[1, COLOR.broken]],
      queries: [{ expr: `sum(${select('libvirt_domain_machine_type_supported')} == bool 0)` }],
    }),
    stat({
      ...tile,
      id: 5,
      title: 'On an old QEMU binary',
      description: 'Domains that still run the QEMU from before the last package upgrade.',
      steps: [[1, COLOR.wrong]],
      queries: [{ expr: `sum(${select('libvirt_domain_qemu_outdated')})` }],
    }),
    stat({
      ...tile,
      id: 6,
      title: 'Configuration pending',
      description: 'Domains with a change that waits for a full stop and start.',
      steps: [[1, COLOR.wrong]],
      queries: [{ expr: `sum(max by (${ONE_DOMAIN}) (${select('libvirt_domain_config_pending')}))` }],
    }),
  ];
}

function domains(): Section {
  return {
    id: 100,
    title: 'Domains',
    panels: [
      table({
        id: 101,
        title: 'Domains',
        description: 'Every domain and its drift. Click a name to see why it is slow.',
        w: 24,
        h: 11,
        queries: factQueries(),
        columns: FACT_COLUMNS,
        sortBy: { title: 'iowait', desc: true },
      }),
      pie({
        id: 102,
        title: 'Domains by state',
        description: 'Active and inactive domains, by libvirt’s state.',
        w: 8,
        h: 9,
        unit: 'none',
        queries: [{ expr: `sum by (state) (${select('libvirt_domains')}) > 0`, legend: '{{state}}' }],
      }),
      barGauge({
        id: 103,
        title: 'Machine types in use',
        description: 'Domains by machine type.',
        w: 8,
        h: 9,
        unit: 'none',
        base: COLOR.note,
        queries: [
          {
            expr: `sort_desc(count by (machine) (${select('libvirt_domain_machine_type_info')}))`,
            legend: '{{machine}}',
          },
        ],
      }),
      table({
        id: 104,
        title: 'Supported machine types',
        description:
          'How many versioned types of each family the installed QEMU supports, and how many of them it marks deprecated.',
        w: 8,
        h: 9,
        queries: (['current', 'deprecated'] as const).map((status) => ({
          expr: `max by (instance, arch, family) (${select('libvirt_hypervisor_machine_types', `status="${status}"`)})`,
        })),
        columns: [
          { from: 'instance' },
          { from: 'arch', title: 'Architecture' },
          { from: 'family', title: 'Family' },
          { from: 'A', title: 'Current', unit: 'none' },
          {
            from: 'B',
            title: 'Deprecated',
            unit: 'none',
            steps: [
              [0, COLOR.good],
              [1, COLOR.soon],
            ],
          },
        ],
      }),
      table({
        id: 105,
        title: 'Lost at one of the next QEMU upgrades',
        description:
          'The QEMU release, one of the next nine (three years), that by policy no longer has the machine type; the next first.',
        w: 24,
        h: 8,
        queries: removalQueries(),
        columns: REMOVAL_COLUMNS,
        sortBy: { title: 'Releases left', desc: false },
        noValue: 'none within nine releases',
      }),
    ],
  };
}

export function hypervisor(): Dashboard {
  return assemble({
    key: 'hypervisor',
    title: 'Hypervisor',
    description:
      'One hypervisor or several: its versions, the machine types it supports, its domains with their drift, and who uses its CPUs, disks and network.',
    from: 'now-6h',
    variables: commonVariables(),
    stats: stats(),
    open: domains(),
    rest: [topConsumers(), storagePools(), events()],
  });
}
