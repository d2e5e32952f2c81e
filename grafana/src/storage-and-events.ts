import type { Section } from './layout.ts';
import { COLOR, POOL_STATE } from './mappings.ts';
import { timeseries } from './panels.ts';
import { copyLabel, select } from './queries.ts';
import { table } from './table.ts';

const POOL = 'job, instance, pool';

export function storagePools(): Section {
  const size = (what: string) => `max by (instance, pool) (${select(`libvirt_storage_pool_${what}_bytes`)})`;
  return {
    id: 300,
    title: 'Storage pools',
    panels: [
      table({
        id: 301,
        title: 'Storage pools',
        description: 'As of libvirt’s last refresh of each pool.',
        w: 12,
        h: 9,
        queries: [
          {
            expr: `max by (instance, pool, pool_state) (${copyLabel(`${select('libvirt_storage_pool_state')} == 1`, 'state', 'pool_state')})`,
          },
          { expr: size('capacity') },
          { expr: size('available') },
          { expr: `${size('allocation')} / ${size('capacity')}` },
        ],
        columns: [
          { from: 'instance' },
          { from: 'pool', title: 'Pool' },
          { from: 'pool_state', title: 'State', mappings: POOL_STATE },
          { from: 'B', title: 'Capacity', unit: 'bytes' },
          { from: 'C', title: 'Available', unit: 'bytes' },
          {
            from: 'D',
            title: 'Used',
            unit: 'percentunit',
            steps: [
              [0, COLOR.good],
              [0.8, COLOR.soon],
              [0.9, COLOR.broken],
            ],
            cell: 'gauge',
            max: 1,
          },
        ],
      }),
      timeseries({
        id: 302,
        title: 'Used over time',
        description: 'Share of each pool’s capacity that is allocated.',
        w: 12,
        h: 9,
        unit: 'percentunit',
        min: 0,
        softMax: 1,
        steps: [[0.9, COLOR.broken]],
        lines: true,
        queries: [
          {
            expr: `max by (${POOL}) (${select('libvirt_storage_pool_allocation_bytes')}) / max by (${POOL}) (${select('libvirt_storage_pool_capacity_bytes')})`,
            legend: '{{pool}} on {{instance}}',
          },
        ],
      }),
    ],
  };
}

export function events(): Section {
  return {
    id: 400,
    title: 'Events',
    panels: [
      timeseries({
        id: 401,
        title: 'Lifecycle events',
        description: 'Starts, stops, crashes and the like that libvirt announced.',
        w: 24,
        h: 8,
        unit: 'none',
        bars: true,
        stacked: true,
        min: 0,
        queries: [
          {
            expr: `sum by (event) (increase(${select('libvirt_domain_events_total')}[$__rate_interval])) > 0`,
            legend: '{{event}}',
          },
        ],
      }),
    ],
  };
}
