import type { Dashboard, Panel } from '@grafana/grafana-foundation-sdk/dashboard';
import { assemble } from './dashboard.ts';
import type { Section } from './layout.ts';
import { COLOR, SUCCESS, WHAT_TO_DO } from './mappings.ts';
import { stat, stateTimeline, type TimeSeriesSpec, timeseries } from './panels.ts';
import { copyLabel, ONE_DOMAIN, ofExporters, rate, select } from './queries.ts';
import { table } from './table.ts';
import { commonVariables } from './variables.ts';

const tile = { w: 4, h: 3, unit: 'none' } as const;

function half(spec: Omit<TimeSeriesSpec, 'w' | 'h' | 'min'>): Panel {
  return timeseries({ ...spec, w: 12, h: 8, min: 0 });
}

function stats(): Panel[] {
  return [
    stat({
      ...tile,
      id: 1,
      title: 'Exporters not reached',
      description: 'Exporters that answered within a day and that Prometheus could not scrape the last time.',
      steps: [[1, COLOR.broken]],
      queries: [{ expr: `sum(${ofExporters(select('up'), '1d')} == bool 0)` }],
    }),
    stat({
      ...tile,
      id: 2,
      title: 'Without libvirt',
      description: 'Exporters that answer, but to which libvirt does not.',
      steps: [[1, COLOR.broken]],
      queries: [{ expr: `sum(${select('libvirt_up')} == bool 0)` }],
    }),
    stat({
      ...tile,
      id: 3,
      title: 'Collectors failed',
      description: 'Collectors that failed in the last scrape.',
      steps: [[1, COLOR.broken]],
      queries: [{ expr: `sum(${select('libvirt_scrape_collector_success')} == bool 0)` }],
    }),
    stat({
      ...tile,
      id: 4,
      title: 'Unreadable domains',
      description: 'Domains whose statistics could not be read in time; the others are not affected.',
      steps: [[1, COLOR.wrong]],
      queries: [{ expr: `sum(${select('libvirt_domain_scrape_success')} == bool 0)` }],
    }),
    stat({
      ...tile,
      id: 5,
      title: 'Silent guest agents',
      description: 'Guests with an agent channel whose last probe got no answer.',
      steps: [[1, COLOR.wrong]],
      queries: [{ expr: `sum(${select('libvirt_domain_guest_agent_up')} == bool 0)` }],
    }),
    stat({
      ...tile,
      id: 6,
      title: 'Versions',
      description: 'Versions of the exporter that run, with the number of each.',
      base: COLOR.unknown,
      queries: [
        { expr: `count by (version) (${select('libvirt_exporter_build_info')})`, legend: '{{version}}' },
      ],
    }),
  ];
}

function scrapes(): Section {
  return {
    id: 100,
    title: 'Scrapes',
    panels: [
      half({
        id: 101,
        title: 'Scrape duration',
        description: 'How long Prometheus waited for each exporter.',
        unit: 's',
        queries: [{ expr: ofExporters(select('scrape_duration_seconds'), '1h'), legend: '{{instance}}' }],
      }),
      half({
        id: 102,
        title: 'Slowest collectors',
        description: 'The ten collectors that took longest, over all exporters chosen.',
        unit: 's',
        queries: [
          {
            expr: `topk(10, max by (collector) (${select('libvirt_scrape_collector_duration_seconds')}))`,
            legend: '{{collector}}',
          },
        ],
      }),
      stateTimeline({
        id: 103,
        title: 'Success by collector',
        description: 'Red where the collector failed on one of the exporters chosen.',
        w: 12,
        h: 12,
        unit: 'none',
        mappings: SUCCESS,
        queries: [
          {
            expr: `min by (collector) (${select('libvirt_scrape_collector_success')})`,
            legend: '{{collector}}',
          },
        ],
      }),
      timeseries({
        id: 104,
        title: 'Series',
        description: 'Samples that each exporter served in a scrape.',
        w: 12,
        h: 12,
        min: 0,
        unit: 'short',
        queries: [{ expr: ofExporters(select('scrape_samples_scraped'), '1h'), legend: '{{instance}}' }],
      }),
    ],
  };
}

function libvirt(): Section {
  return {
    id: 200,
    title: 'Calls to libvirt',
    panels: [
      half({
        id: 201,
        title: 'Calls',
        description: 'Calls a second to libvirt’s daemon, by procedure.',
        unit: 'ops',
        queries: [
          {
            expr: `sum by (procedure) (${rate('libvirt_exporter_rpc_calls_total')})`,
            legend: '{{procedure}}',
          },
        ],
      }),
      half({
        id: 202,
        title: 'Connections lost',
        description: 'Connections to libvirt that were lost or could not be had.',
        unit: 'none',
        bars: true,
        queries: [
          {
            expr: `increase(${select('libvirt_exporter_disconnects_total')}[$__rate_interval])`,
            legend: '{{instance}}',
          },
        ],
      }),
    ],
  };
}

function probes(): Section {
  const missing = copyLabel(`${select('libvirt_domain_guest_missing')} == 1`, 'reason', 'todo');
  return {
    id: 300,
    title: 'Guest probes',
    panels: [
      half({
        id: 301,
        title: 'Probe duration',
        description:
          'How long the last probe of a guest took: median, 95th percentile and slowest of the guests.',
        unit: 's',
        queries: [
          {
            expr: `quantile(0.5, ${select('libvirt_domain_guest_probe_duration_seconds')})`,
            legend: 'median',
          },
          {
            expr: `quantile(0.95, ${select('libvirt_domain_guest_probe_duration_seconds')})`,
            legend: '95th percentile',
          },
          { expr: `max(${select('libvirt_domain_guest_probe_duration_seconds')})`, legend: 'slowest' },
        ],
      }),
      half({
        id: 302,
        title: 'Oldest guest figures',
        description: 'Age of the ten oldest results: guests that are silent are asked less often.',
        unit: 's',
        queries: [
          {
            expr: `topk(10, time() - max by (${ONE_DOMAIN}) (${select('libvirt_domain_guest_probe_timestamp_seconds')}))`,
            legend: '{{domain}} on {{instance}}',
          },
        ],
      }),
      half({
        id: 303,
        title: 'Probe errors',
        description: 'Probes a second that did not get all they asked for, by reason.',
        unit: 'ops',
        queries: [
          {
            expr: `sum by (reason) (${rate('libvirt_domain_guest_probe_errors_total')})`,
            legend: '{{reason}}',
          },
        ],
      }),
      table({
        id: 304,
        title: 'Guest data that is missing',
        description: 'How many guests do not tell a family of data, why, and what would make them.',
        w: 12,
        h: 8,
        queries: [{ expr: `count by (family, reason, todo) (${missing})` }],
        columns: [
          { from: 'family', title: 'Missing', width: 90 },
          { from: 'reason', title: 'Reason', width: 150 },
          { from: 'A', title: 'Guests', unit: 'none', width: 80 },
          { from: 'todo', title: 'What to do', mappings: WHAT_TO_DO },
        ],
        sortBy: { title: 'Guests', desc: true },
        noValue: 'nothing is missing',
      }),
    ],
  };
}

function process(): Section {
  return {
    id: 400,
    title: 'The process',
    panels: [
      half({
        id: 401,
        title: 'Memory',
        description: 'Resident memory, and the JavaScript heap in use.',
        unit: 'bytes',
        queries: [
          { expr: ofExporters(select('process_resident_memory_bytes')), legend: '{{instance}} resident' },
          { expr: ofExporters(select('nodejs_heap_size_used_bytes')), legend: '{{instance}} heap in use' },
        ],
      }),
      half({
        id: 402,
        title: 'CPU',
        description: 'CPU time; 1 is a whole CPU.',
        unit: 'percentunit',
        queries: [{ expr: ofExporters(rate('process_cpu_seconds_total')), legend: '{{instance}}' }],
      }),
      half({
        id: 403,
        title: 'Event loop lag',
        description: 'How late the process gets to its work: the 99th percentile since the last scrape.',
        unit: 's',
        queries: [{ expr: ofExporters(select('nodejs_eventloop_lag_p99_seconds')), legend: '{{instance}}' }],
      }),
      half({
        id: 404,
        title: 'Open files',
        description: 'File descriptors in use.',
        unit: 'short',
        queries: [{ expr: ofExporters(select('process_open_fds')), legend: '{{instance}}' }],
      }),
    ],
  };
}

export function exporter(): Dashboard {
  return assemble({
    key: 'exporter',
    title: 'Exporter',
    description:
      'Whether the exporters themselves are well: scrapes, calls to libvirt, guest probes, memory and CPU.',
    from: 'now-3h',
    variables: commonVariables(),
    stats: stats(),
    open: scrapes(),
    rest: [libvirt(), probes(), process()],
  });
}
