import { gauges, half, type Line, rates } from './domain-lines.ts';
import type { Section } from './layout.ts';
import { timeseries } from './panels.ts';
import { DOMAIN, ONE_DOMAIN, select } from './queries.ts';
import { table } from './table.ts';

function bothWays(prefix: string, what: string, ways: readonly [string, string]): readonly Line[] {
  return ways.map((way) => ({ metric: `${prefix}_${way}_${what}_total`, legend: `{{device}} ${way}` }));
}

export function disks(): Section {
  const by = `max by (${ONE_DOMAIN}, device, bus, driver, format, cache, io, discard, source)`;
  return {
    id: 400,
    title: 'Disks',
    panels: [
      timeseries({
        ...half,
        id: 401,
        title: 'Throughput',
        description: 'Bytes a second, by device.',
        unit: 'Bps',
        queries: rates(bothWays('libvirt_domain_block', 'bytes', ['read', 'write'])),
      }),
      timeseries({
        ...half,
        id: 402,
        title: 'Requests',
        description: 'Requests a second, by device; flushes are what databases and journals wait for.',
        unit: 'iops',
        queries: rates([
          ...bothWays('libvirt_domain_block', 'requests', ['read', 'write']),
          { metric: 'libvirt_domain_block_flush_requests_total', legend: '{{device}} flush' },
        ]),
      }),
      timeseries({
        ...half,
        id: 403,
        title: 'Size',
        description: 'What the guest sees, what the image can hold of it now, and what it takes on the host.',
        unit: 'bytes',
        queries: gauges([
          { metric: 'libvirt_domain_block_capacity_bytes', legend: '{{device}} capacity' },
          { metric: 'libvirt_domain_block_allocation_bytes', legend: '{{device}} allocation' },
          { metric: 'libvirt_domain_block_physical_bytes', legend: '{{device}} physical' },
        ]),
      }),
      table({
        id: 404,
        title: 'How the disks are attached',
        description: 'Bus, cache and I/O mode decide a disk’s speed; empty means QEMU’s default.',
        w: 12,
        h: 8,
        queries: [{ expr: `${by} (${select('libvirt_domain_block_info', DOMAIN)})` }],
        columns: [
          { from: 'domain' },
          { from: 'device', title: 'Device' },
          { from: 'bus', title: 'Bus' },
          { from: 'format', title: 'Format' },
          { from: 'cache', title: 'Cache' },
          { from: 'io', title: 'I/O' },
          { from: 'discard', title: 'Discard' },
          { from: 'source', title: 'Source' },
        ],
      }),
    ],
  };
}

export function network(): Section {
  const ways = ['receive', 'transmit'] as const;
  const prefix = 'libvirt_domain_interface';
  return {
    id: 500,
    title: 'Network',
    panels: [
      timeseries({
        ...half,
        id: 501,
        title: 'Traffic',
        description: 'Bytes a second, from the guest’s side.',
        unit: 'Bps',
        queries: rates(bothWays(prefix, 'bytes', ways)),
      }),
      timeseries({
        ...half,
        id: 502,
        title: 'Packets',
        description: 'Packets a second, from the guest’s side.',
        unit: 'pps',
        queries: rates(bothWays(prefix, 'packets', ways)),
      }),
      timeseries({
        ...half,
        id: 503,
        title: 'Drops',
        description: 'Packets dropped a second, in each direction.',
        unit: 'pps',
        queries: rates(bothWays(prefix, 'drops', ways)),
      }),
      timeseries({
        ...half,
        id: 504,
        title: 'Errors',
        description: 'Packets with errors a second, in each direction.',
        unit: 'pps',
        queries: rates(bothWays(prefix, 'errors', ways)),
      }),
    ],
  };
}
