import { pendingQuery } from './facts.ts';
import type { Section } from './layout.ts';
import { COLOR, OS_DRIFT } from './mappings.ts';
import { pie, timeseries } from './panels.ts';
import { driftState, guestCpuShare, ONE_DOMAIN, ROW, rate, select, swapTraffic } from './queries.ts';
import { table } from './table.ts';

function machineTypes(): Section {
  const info = select('libvirt_domain_machine_type_info');
  const by = 'family, machine, version, vendor, removed_in';
  const ofDomains = (metric: string) => `${info} * on (${ONE_DOMAIN}) group_left () ${metric}`;
  return {
    id: 200,
    title: 'Machine types',
    panels: [
      table({
        id: 201,
        title: 'Versions in use',
        description:
          'Every machine type in use: on how many domains and hypervisors, and how far behind the newest supported one.',
        w: 15,
        h: 10,
        queries: [
          { expr: `count by (${by}) (${info})` },
          { expr: `count by (${by}) (count by (${by}, instance) (${info}))` },
          { expr: `max by (${by}) (${ofDomains(select('libvirt_domain_machine_type_releases_behind'))})` },
          {
            expr: `sum by (${by}) (${ofDomains(`(${select('libvirt_domain_machine_type_supported')} == bool 0)`)})`,
          },
        ],
        columns: [
          { from: 'family', title: 'Family' },
          { from: 'machine', title: 'Machine type' },
          { from: 'version', title: 'Version' },
          { from: 'vendor', title: 'Vendor' },
          { from: 'A', title: 'Domains', unit: 'none' },
          { from: 'B', title: 'Hypervisors', unit: 'none' },
          {
            from: 'C',
            title: 'Most behind',
            unit: 'none',
            steps: [
              [0, COLOR.good],
              [1, COLOR.note],
              [9, COLOR.wrong],
            ],
          },
          {
            from: 'D',
            title: 'Will not start',
            unit: 'none',
            steps: [
              [0, COLOR.good],
              [1, COLOR.broken],
            ],
          },
          { from: 'removed_in', title: 'Gone in QEMU' },
        ],
        sortBy: { title: 'Domains', desc: true },
      }),
      pie({
        id: 202,
        title: 'Share of machine types',
        description: 'Domains by machine type.',
        w: 9,
        h: 10,
        unit: 'none',
        queries: [{ expr: `count by (machine) (${info})`, legend: '{{machine}}' }],
      }),
      timeseries({
        id: 203,
        title: 'Machine types over time',
        description: 'Domains by machine type: how far a migration to newer types has come.',
        w: 24,
        h: 9,
        unit: 'none',
        stacked: true,
        queries: [{ expr: `count by (machine) (${info})`, legend: '{{machine}}' }],
      }),
    ],
  };
}

function qemuAndConfiguration(): Section {
  return {
    id: 300,
    title: 'QEMU and configuration',
    panels: [
      table({
        id: 301,
        title: 'Still on an old QEMU',
        description:
          'Domains whose process runs an older binary than the installed one. Stop and start them, or migrate them.',
        w: 12,
        h: 9,
        queries: [
          {
            expr: `max by (${ROW}, running_version, installed_version) (${select('libvirt_domain_qemu_info')} and on (${ONE_DOMAIN}) ${select('libvirt_domain_qemu_outdated')} == 1)`,
          },
        ],
        columns: [
          { from: 'domain' },
          { from: 'instance' },
          { from: 'running_version', title: 'Runs on QEMU' },
          { from: 'installed_version', title: 'Installed' },
        ],
      }),
      table({
        id: 302,
        title: 'Waits for a stop and start',
        description: 'Changes of the configuration that the running domain does not have yet.',
        w: 12,
        h: 9,
        queries: [pendingQuery()],
        columns: [{ from: 'domain' }, { from: 'instance' }, { from: 'change', title: 'Change' }],
      }),
      timeseries({
        id: 303,
        title: 'QEMU versions that run',
        description: 'Running domains by the version of their QEMU.',
        w: 24,
        h: 8,
        unit: 'none',
        stacked: true,
        queries: [
          {
            expr: `count by (running_version) (${select('libvirt_domain_qemu_info')})`,
            legend: '{{running_version}}',
          },
        ],
      }),
    ],
  };
}

function operatingSystems(): Section {
  return {
    id: 400,
    title: 'Operating systems',
    panels: [
      table({
        id: 401,
        title: 'OS drift',
        description: 'Domains by how the running OS compares with the declared one.',
        w: 8,
        h: 9,
        queries: [{ expr: `count by (drift) (${driftState()})` }],
        columns: [
          { from: 'drift', title: 'OS drift', mappings: OS_DRIFT },
          { from: 'A', title: 'Domains', unit: 'none' },
        ],
        sortBy: { title: 'Domains', desc: true },
      }),
      table({
        id: 402,
        title: 'Systems that run',
        description: 'Guests by the system and kernel that their agents tell.',
        w: 16,
        h: 9,
        queries: [{ expr: `count by (name, kernel) (${select('libvirt_domain_os_info', 'detected!=""')})` }],
        columns: [
          { from: 'name', title: 'System' },
          { from: 'kernel', title: 'Kernel' },
          { from: 'A', title: 'Guests', unit: 'none' },
        ],
        sortBy: { title: 'Guests', desc: true },
      }),
    ],
  };
}

function overTime(): Section {
  return {
    id: 500,
    title: 'iowait and swap over time',
    panels: [
      timeseries({
        id: 501,
        title: 'Highest iowait',
        description: 'Share of the guest’s CPU time spent waiting for I/O, the ten highest at each moment.',
        w: 12,
        h: 10,
        unit: 'percentunit',
        min: 0,
        queries: [
          { expr: `topk(10, ${guestCpuShare('iowait', ROW)})`, legend: '{{domain}} on {{instance}}' },
        ],
      }),
      timeseries({
        id: 502,
        title: 'Most swap traffic',
        description:
          'Bytes to and from swap, told by the balloon driver without an agent, the ten highest at each moment.',
        w: 12,
        h: 10,
        unit: 'Bps',
        min: 0,
        queries: [{ expr: `topk(10, ${swapTraffic(ROW)})`, legend: '{{domain}} on {{instance}}' }],
      }),
      timeseries({
        id: 503,
        title: 'Guests that wait longest for a host CPU',
        description:
          'CPUs’ worth of time that vCPUs were ready to run and no host CPU was free, the ten highest.',
        w: 24,
        h: 8,
        unit: 'none',
        min: 0,
        queries: [
          {
            expr: `topk(10, sum by (${ROW}) (${rate('libvirt_domain_vcpu_delay_seconds_total')}))`,
            legend: '{{domain}} on {{instance}}',
          },
        ],
      }),
    ],
  };
}

/** What stands behind the tables of what needs doing, folded away below them. */
export function fleetDetails(): readonly Section[] {
  return [machineTypes(), qemuAndConfiguration(), operatingSystems(), overTime()];
}
