import type { Panel } from '@grafana/grafana-foundation-sdk/dashboard';
import type { Section } from './layout.ts';
import { timeseries } from './panels.ts';
import { guestCpuShare, ROW, rate, select, swapTraffic } from './queries.ts';

interface Top {
  readonly id: number;
  readonly title: string;
  readonly description: string;
  readonly unit: string;
  readonly expr: string;
}

function top({ expr, ...spec }: Top): Panel {
  return timeseries({
    ...spec,
    w: 12,
    h: 9,
    min: 0,
    queries: [{ expr: `topk(10, ${expr})`, legend: '{{domain}} on {{instance}}' }],
  });
}

function both(read: string, write: string): string {
  return `sum by (${ROW}) (${rate(read)}) + sum by (${ROW}) (${rate(write)})`;
}

export function topConsumers(): Section {
  return {
    id: 200,
    title: 'Top consumers',
    panels: [
      top({
        id: 201,
        title: 'Host CPU',
        description: 'Host CPUs that a domain uses; 1 is a whole CPU.',
        unit: 'none',
        expr: `sum by (${ROW}) (${rate('libvirt_domain_cpu_seconds_total')})`,
      }),
      top({
        id: 202,
        title: 'Waiting for a host CPU',
        description:
          'CPUs’ worth of time that vCPUs were ready and no host CPU was free: too many vCPUs on this host.',
        unit: 'none',
        expr: `sum by (${ROW}) (${rate('libvirt_domain_vcpu_delay_seconds_total')})`,
      }),
      top({
        id: 203,
        title: 'Disk throughput',
        description: 'Bytes read and written a second.',
        unit: 'Bps',
        expr: both('libvirt_domain_block_read_bytes_total', 'libvirt_domain_block_write_bytes_total'),
      }),
      top({
        id: 204,
        title: 'Disk requests',
        description: 'Requests a second, reads and writes.',
        unit: 'iops',
        expr: both('libvirt_domain_block_read_requests_total', 'libvirt_domain_block_write_requests_total'),
      }),
      top({
        id: 205,
        title: 'Network',
        description: 'Bytes received and sent a second.',
        unit: 'Bps',
        expr: both(
          'libvirt_domain_interface_receive_bytes_total',
          'libvirt_domain_interface_transmit_bytes_total',
        ),
      }),
      top({
        id: 206,
        title: 'Resident memory',
        description: 'Memory that QEMU holds on the host.',
        unit: 'bytes',
        expr: `max by (${ROW}) (${select('libvirt_domain_balloon_rss_bytes')})`,
      }),
      top({
        id: 207,
        title: 'iowait',
        description: 'Share of the guest’s CPU time spent waiting for I/O.',
        unit: 'percentunit',
        expr: guestCpuShare('iowait', ROW),
      }),
      top({
        id: 208,
        title: 'Swap traffic',
        description: 'Bytes a second to and from swap inside the guest.',
        unit: 'Bps',
        expr: swapTraffic(ROW),
      }),
    ],
  };
}
