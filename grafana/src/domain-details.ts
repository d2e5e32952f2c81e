import { disks, network } from './domain-io.ts';
import { gauges, half, rates } from './domain-lines.ts';
import type { Section } from './layout.ts';
import { COLOR } from './mappings.ts';
import { stateTimeline, timeseries } from './panels.ts';
import { DOMAIN, ONE_DOMAIN, select } from './queries.ts';

function cpu(): Section {
  return {
    id: 200,
    title: 'CPU and load',
    panels: [
      timeseries({
        ...half,
        id: 201,
        title: 'vCPUs, from the host',
        description: 'Host CPU time of each vCPU; 1 is a whole CPU.',
        unit: 'percentunit',
        queries: rates([{ metric: 'libvirt_domain_vcpu_time_seconds_total', legend: 'vCPU {{vcpu}}' }]),
      }),
      timeseries({
        ...half,
        id: 202,
        title: 'Waiting for a host CPU, by vCPU',
        description: 'Share of time that the vCPU was ready to run and no host CPU was free.',
        unit: 'percentunit',
        queries: rates([{ metric: 'libvirt_domain_vcpu_delay_seconds_total', legend: 'vCPU {{vcpu}}' }]),
      }),
      timeseries({
        ...half,
        id: 203,
        title: 'Load',
        description: 'Load averages inside the guest, with its vCPUs: tasks that wait for I/O count too.',
        unit: 'short',
        queries: gauges([
          { metric: 'libvirt_domain_guest_load1', legend: '1 minute' },
          { metric: 'libvirt_domain_guest_load5', legend: '5 minutes' },
          { metric: 'libvirt_domain_guest_load15', legend: '15 minutes' },
          { metric: 'libvirt_domain_vcpus', legend: 'vCPUs' },
        ]),
      }),
      timeseries({
        ...half,
        id: 204,
        title: 'CPU of the whole domain',
        description: 'Host CPU time of the domain with QEMU’s own threads; 1 is a whole CPU.',
        unit: 'percentunit',
        queries: rates([{ metric: 'libvirt_domain_cpu_seconds_total', legend: 'all threads' }]),
      }),
    ],
  };
}

function memory(): Section {
  return {
    id: 300,
    title: 'Memory',
    panels: [
      timeseries({
        ...half,
        id: 301,
        title: 'Memory, inside the guest',
        description: 'What the guest has, and what it can still give to programs without swapping.',
        unit: 'bytes',
        queries: gauges([
          { metric: 'libvirt_domain_guest_memory_total_bytes', legend: 'total' },
          { metric: 'libvirt_domain_guest_memory_available_bytes', legend: 'available' },
        ]),
      }),
      timeseries({
        ...half,
        id: 302,
        title: 'Memory, by the balloon',
        description: 'The balloon driver’s figures and QEMU’s resident memory on the host; no agent needed.',
        unit: 'bytes',
        queries: gauges([
          { metric: 'libvirt_domain_balloon_maximum_bytes', legend: 'maximum' },
          { metric: 'libvirt_domain_balloon_current_bytes', legend: 'current' },
          { metric: 'libvirt_domain_balloon_usable_bytes', legend: 'usable' },
          { metric: 'libvirt_domain_balloon_unused_bytes', legend: 'unused' },
          { metric: 'libvirt_domain_balloon_rss_bytes', legend: 'resident on the host' },
        ]),
      }),
      timeseries({
        ...half,
        id: 303,
        title: 'Page faults',
        description: 'Faults a second; a major one had to wait for a disk.',
        unit: 'ops',
        queries: rates([
          { metric: 'libvirt_domain_balloon_major_faults_total', legend: 'major' },
          { metric: 'libvirt_domain_balloon_minor_faults_total', legend: 'minor' },
        ]),
      }),
      timeseries({
        ...half,
        id: 304,
        title: 'Age of the balloon’s figures',
        description:
          'Grows while no stats period is set: then swap traffic stands still as well. Set one with virsh dommemstat --period.',
        unit: 's',
        steps: [[60, COLOR.wrong]],
        lines: true,
        queries: [
          {
            expr: `time() - ${select('libvirt_domain_balloon_last_update_timestamp_seconds', DOMAIN)}`,
            legend: '{{domain}}',
          },
        ],
      }),
    ],
  };
}

function lifeAndProbes(): Section {
  return {
    id: 600,
    title: 'Lifecycle, jobs and probes',
    panels: [
      timeseries({
        ...half,
        id: 601,
        title: 'Lifecycle events',
        description: 'Events that libvirt announced.',
        unit: 'none',
        bars: true,
        queries: [
          {
            expr: `increase(${select('libvirt_domain_events_total', DOMAIN)}[$__rate_interval]) > 0`,
            legend: '{{domain}} {{event}}',
          },
        ],
      }),
      stateTimeline({
        id: 602,
        title: 'State',
        description: 'The state that libvirt tells.',
        w: 12,
        h: 8,
        unit: 'none',
        base: COLOR.note,
        queries: [
          {
            expr: `max by (${ONE_DOMAIN}, state) (${select('libvirt_domain_state', DOMAIN)}) == 1`,
            legend: '{{domain}} {{state}}',
          },
        ],
      }),
      timeseries({
        ...half,
        id: 603,
        title: 'Jobs',
        description: 'Data that a job (a migration, a backup) still has to move. Empty while none runs.',
        unit: 'bytes',
        queries: gauges([
          { metric: 'libvirt_domain_job_data_remaining_bytes', legend: 'remaining' },
          { metric: 'libvirt_domain_job_data_processed_bytes', legend: 'processed' },
        ]),
      }),
      timeseries({
        ...half,
        id: 604,
        title: 'Age of the guest’s figures',
        description:
          'Guests are probed beside the scrapes: iowait, swap in use, pressure and load are as old as this.',
        unit: 's',
        queries: [
          {
            expr: `time() - ${select('libvirt_domain_guest_probe_timestamp_seconds', DOMAIN)}`,
            legend: '{{domain}}',
          },
        ],
      }),
    ],
  };
}

/** What confirms or rules out a cause, folded away below the time axis. */
export function domainDetails(): readonly Section[] {
  return [cpu(), memory(), disks(), network(), lifeAndProbes()];
}
