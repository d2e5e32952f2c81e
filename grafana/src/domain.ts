import type { Dashboard, Panel } from '@grafana/grafana-foundation-sdk/dashboard';
import { changeAnnotations } from './annotations.ts';
import { assemble } from './dashboard.ts';
import { domainDetails } from './domain-details.ts';
import { domainStats } from './domain-stats.ts';
import { missingQuery, pendingQuery } from './facts.ts';
import { COLOR, SEVERITY, WHAT_TO_DO } from './mappings.ts';
import { stateTimeline, type TimeSeriesSpec, timeseries } from './panels.ts';
import {
  balloonRate,
  blockLatency,
  DOMAIN,
  firingAlerts,
  guestCpuShare,
  ONE_DOMAIN,
  rate,
  select,
} from './queries.ts';
import { table } from './table.ts';
import { commonVariables, domainVariable } from './variables.ts';

/** One above the other at full width: a mark, or the cursor, is at the same place in all of them. */
function onTheAxis(spec: Omit<TimeSeriesSpec, 'w' | 'h' | 'aligned'>): Panel {
  return timeseries({ ...spec, w: 24, h: 5, aligned: true });
}

function pressure(kind: 'waiting' | 'stalled'): string {
  const metric = `libvirt_domain_guest_pressure_${kind}_seconds_total`;
  // Seconds of pressure in each second between the probes that told of it: against the clock, a window that holds one
  // probe more or less would show a saw.
  const probed = rate('libvirt_domain_guest_probe_timestamp_seconds', DOMAIN);
  return `sum by (${ONE_DOMAIN}, resource) (${rate(metric, DOMAIN)}) / on (${ONE_DOMAIN}) group_left () (sum by (${ONE_DOMAIN}) (${probed}) > 0)`;
}

function limitUse(what: 'bytes' | 'requests', direction: 'total' | 'read' | 'write'): string {
  const by = `${ONE_DOMAIN}, device`;
  const directions = direction === 'total' ? ['read', 'write'] : [direction];
  const used = directions.map(
    (name) => `sum by (${by}) (${rate(`libvirt_domain_block_${name}_${what}_total`, DOMAIN)})`,
  );
  const limit = select(`libvirt_domain_block_limit_${direction}_${what}_per_second`, DOMAIN);
  return `(${used.join(' + ')}) / on (${by}) ${limit}`;
}

function limitUses() {
  return (['bytes', 'requests'] as const).flatMap((what) =>
    (['total', 'read', 'write'] as const).map((direction) => ({
      expr: limitUse(what, direction),
      legend: `{{domain}} {{device}} ${direction} ${what}`,
    })),
  );
}

function timeAxis(): Panel[] {
  return [
    onTheAxis({
      id: 101,
      title: 'iowait',
      description: 'Share of the guest’s CPU time in which it was idle and waited for I/O. Dashed: a fifth.',
      unit: 'percentunit',
      min: 0,
      softMax: 0.5,
      steps: [[0.2, COLOR.broken]],
      lines: true,
      queries: [{ expr: guestCpuShare('iowait', ONE_DOMAIN, DOMAIN), legend: '{{domain}} iowait' }],
    }),
    onTheAxis({
      id: 102,
      title: 'Swap traffic',
      description:
        'Bytes to (below zero) and from swap, told by the balloon driver; a gap while it tells nothing. High together with iowait: the guest thrashes.',
      unit: 'Bps',
      queries: [
        { expr: balloonRate('libvirt_domain_balloon_swap_in_bytes_total', DOMAIN), legend: '{{domain}} in' },
        {
          expr: `-${balloonRate('libvirt_domain_balloon_swap_out_bytes_total', DOMAIN)}`,
          legend: '{{domain}} out',
        },
      ],
    }),
    onTheAxis({
      id: 103,
      title: 'Swap in use',
      description: 'Swap in use and swap there is, inside the guest.',
      unit: 'bytes',
      min: 0,
      queries: [
        { expr: select('libvirt_domain_guest_swap_used_bytes', DOMAIN), legend: '{{domain}} used' },
        { expr: select('libvirt_domain_guest_swap_total_bytes', DOMAIN), legend: '{{domain}} total' },
      ],
    }),
    onTheAxis({
      id: 104,
      title: 'Pressure',
      description:
        'Share of time in which some tasks waited for a resource, and in which all of them were stalled (Linux PSI).',
      unit: 'percentunit',
      min: 0,
      queries: [
        { expr: pressure('waiting'), legend: '{{domain}} {{resource}} some' },
        { expr: pressure('stalled'), legend: '{{domain}} {{resource}} full' },
      ],
    }),
    onTheAxis({
      id: 105,
      title: 'Block latency, from the host',
      description:
        'Seconds that one request took in QEMU. High iowait with low latency here and swap traffic above: not the storage.',
      unit: 's',
      min: 0,
      queries: (['read', 'write', 'flush'] as const).map((direction) => ({
        expr: blockLatency(direction, DOMAIN),
        legend: `{{domain}} {{device}} ${direction}`,
      })),
    }),
    onTheAxis({
      id: 106,
      title: 'Use of the I/O limits',
      description:
        'How much of its <iotune> limits a device uses. At 1 the host throttles it. Empty without limits.',
      unit: 'percentunit',
      min: 0,
      softMax: 1,
      steps: [[0.9, COLOR.wrong]],
      lines: true,
      queries: limitUses(),
    }),
    onTheAxis({
      id: 107,
      title: 'Waiting for a host CPU',
      description:
        'Share of time that vCPUs were ready and no host CPU was free: seen by the host (delay) and by the guest (steal).',
      unit: 'percentunit',
      min: 0,
      queries: [
        {
          expr: `sum by (${ONE_DOMAIN}) (${rate('libvirt_domain_vcpu_delay_seconds_total', DOMAIN)}) / on (${ONE_DOMAIN}) ${select('libvirt_domain_vcpus', DOMAIN)}`,
          legend: '{{domain}} delay',
        },
        { expr: guestCpuShare('steal', ONE_DOMAIN, DOMAIN), legend: '{{domain}} steal' },
      ],
    }),
    onTheAxis({
      id: 108,
      title: 'CPU modes',
      description: 'What the guest’s CPUs did, without idle.',
      unit: 'percentunit',
      min: 0,
      stacked: true,
      queries: [
        {
          expr: `sum by (${ONE_DOMAIN}, mode) (${rate('libvirt_domain_guest_cpu_seconds_total', 'mode!="idle"', DOMAIN)}) / on (${ONE_DOMAIN}) group_left () sum by (${ONE_DOMAIN}) (${rate('libvirt_domain_guest_cpu_seconds_total', DOMAIN)})`,
          legend: '{{domain}} {{mode}}',
        },
      ],
    }),
  ];
}

function whatItRan(): Panel {
  const since = (labels: string, expr: string) => `max by (${ONE_DOMAIN}, ${labels}) (${expr})`;
  return stateTimeline({
    id: 109,
    title: 'What it ran on',
    description:
      'A bar for as long as a machine type, QEMU, OS and kernel was in use: the before and after of the curves above.',
    w: 24,
    h: 7,
    unit: 'none',
    base: COLOR.note,
    queries: [
      {
        expr: since('machine', select('libvirt_domain_machine_type_info', DOMAIN)),
        legend: '{{domain}} {{machine}}',
      },
      {
        expr: since('running_version', select('libvirt_domain_qemu_info', 'running_version!=""', DOMAIN)),
        legend: '{{domain}} QEMU {{running_version}}',
      },
      {
        expr: since('name, kernel', select('libvirt_domain_os_info', 'kernel!=""', DOMAIN)),
        legend: '{{domain}} {{name}}, {{kernel}}',
      },
      {
        expr: `max by (${ONE_DOMAIN}) (${select('libvirt_domain_guest_swap_total_bytes', DOMAIN)} > bool 0) == 1`,
        legend: '{{domain}} has swap',
      },
      {
        expr: `max by (${ONE_DOMAIN}, change) (${select('libvirt_domain_config_pending', DOMAIN)}) == 1`,
        legend: '{{domain}} pending: {{change}}',
      },
    ],
  });
}

function reasons(): Panel[] {
  return [
    table({
      id: 110,
      title: 'Why data is missing',
      description: 'What this guest does not tell, and what would make it.',
      w: 12,
      h: 7,
      queries: [missingQuery(DOMAIN)],
      columns: [
        { from: 'domain', width: 150 },
        { from: 'family', title: 'Missing', width: 90 },
        { from: 'reason', title: 'Reason', width: 150 },
        { from: 'todo', title: 'What to do', mappings: WHAT_TO_DO },
      ],
      noValue: 'nothing is missing',
    }),
    table({
      id: 111,
      title: 'Waits for a stop and start',
      description: 'Changes of the configuration that the running domain does not have yet.',
      w: 5,
      h: 7,
      queries: [pendingQuery(DOMAIN)],
      columns: [{ from: 'domain' }, { from: 'change', title: 'Change' }],
      noValue: 'nothing waits',
    }),
    table({
      id: 112,
      title: 'Alerts',
      description: 'Firing alerts on this domain, of the rules shipped with the exporter.',
      w: 7,
      h: 7,
      queries: [{ expr: `max by (severity, alertname, domain) (${firingAlerts(DOMAIN)})` }],
      columns: [
        { from: 'severity', title: 'Severity', mappings: SEVERITY, cell: 'background', width: 90 },
        { from: 'alertname', title: 'Alert' },
        { from: 'A', title: 'Since', unit: 'dateTimeFromNow', width: 120 },
      ],
      noValue: 'none',
    }),
  ];
}

export function domain(): Dashboard {
  return assemble({
    key: 'domain',
    title: 'Domain',
    description:
      'Why is this VM slow? iowait, swap, pressure, storage and host CPUs on one time axis, with marks where its machine type, QEMU, kernel, OS or swap changed or it was started.',
    from: 'now-6h',
    variables: [...commonVariables(), domainVariable()],
    annotations: changeAnnotations(),
    stats: domainStats(),
    open: { id: 100, title: 'Why is it slow?', panels: [...timeAxis(), whatItRan(), ...reasons()] },
    rest: domainDetails(),
  });
}
