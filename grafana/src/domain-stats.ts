import type { Panel } from '@grafana/grafana-foundation-sdk/dashboard';
import { AGENT, COLOR, OS_DRIFT } from './mappings.ts';
import { stat } from './panels.ts';
import { DOMAIN, driftState, guestCpuShare, ONE_DOMAIN, orElse, select, shortOsId } from './queries.ts';

function facts(metric: string, ...matchers: readonly string[]): string {
  return select(metric, DOMAIN, ...matchers);
}

/** The series of an info metric, with the value of another metric of the same domain. */
function judged(info: string, value: string): string {
  return `${info} * on (${ONE_DOMAIN}) group_left () ${value}`;
}

/** 2 the domain will not start again, 1 the type is deprecated, 0 neither. */
function machineTypeConcern(): string {
  const lost = `(${facts('libvirt_domain_machine_type_supported')} == bool 0) * 2`;
  return `(${lost} + on (${ONE_DOMAIN}) ${facts('libvirt_domain_machine_type_deprecated')})`;
}

function osIds(): string {
  const ids = shortOsId(shortOsId(facts('libvirt_domain_os_info'), 'declared'), 'detected');
  return orElse(orElse(ids, 'declared', 'nothing'), 'detected', 'unknown');
}

function whatItIs(): Panel[] {
  const osDiffers = `sum by (${ONE_DOMAIN}) (${facts('libvirt_domain_os_drift', 'state=~"major_differs|distro_differs"')})`;
  return [
    stat({
      id: 1,
      title: 'Machine type',
      description:
        'The virtual hardware. Red: the installed QEMU no longer has it and the domain will not start again; orange: deprecated.',
      w: 4,
      h: 3,
      unit: 'none',
      names: true,
      steps: [
        [1, COLOR.wrong],
        [2, COLOR.broken],
      ],
      queries: [
        {
          expr: judged(facts('libvirt_domain_machine_type_info'), machineTypeConcern()),
          legend: '{{machine}}',
        },
      ],
    }),
    stat({
      id: 2,
      title: 'Releases behind',
      description:
        'QEMU releases between this machine type and the newest one that the installed QEMU supports.',
      w: 4,
      h: 3,
      unit: 'none',
      steps: [
        [1, COLOR.note],
        [9, COLOR.wrong],
      ],
      noValue: 'not versioned',
      queries: [{ expr: facts('libvirt_domain_machine_type_releases_behind'), legend: '{{domain}}' }],
    }),
    stat({
      id: 3,
      title: 'Gone in QEMU',
      description: 'The first QEMU release that by policy no longer has this machine type.',
      w: 4,
      h: 3,
      unit: 'none',
      names: true,
      base: COLOR.unknown,
      noValue: 'unknown',
      queries: [
        { expr: facts('libvirt_domain_machine_type_info', 'removed_in!=""'), legend: '{{removed_in}}' },
      ],
    }),
    stat({
      id: 4,
      title: 'QEMU running → installed',
      description:
        'Orange: the process runs an older binary than the installed one, until a full stop and start.',
      w: 4,
      h: 3,
      unit: 'none',
      names: true,
      steps: [[1, COLOR.wrong]],
      noValue: 'not running',
      queries: [
        {
          expr: `${judged(facts('libvirt_domain_qemu_info'), facts('libvirt_domain_qemu_outdated'))} or ${facts('libvirt_domain_qemu_info')} * 0`,
          legend: '{{running_version}} → {{installed_version}}',
        },
      ],
    }),
    stat({
      id: 5,
      title: 'OS declared → running',
      description:
        'What the configuration declares, and what the guest’s agent tells. Orange: another distribution or major version.',
      w: 4,
      h: 3,
      unit: 'none',
      names: true,
      steps: [[1, COLOR.wrong]],
      queries: [{ expr: judged(osIds(), osDiffers), legend: '{{declared}} → {{detected}}' }],
    }),
    stat({
      id: 6,
      title: 'OS drift',
      description: 'The judgement on the two.',
      w: 4,
      h: 3,
      unit: 'string',
      label: 'drift',
      base: COLOR.unknown,
      mappings: OS_DRIFT,
      queries: [{ expr: driftState(DOMAIN) }],
    }),
  ];
}

function howItIs(): Panel[] {
  return [
    stat({
      id: 7,
      title: 'Configuration pending',
      description: 'Changes that wait for a full stop and start. A reboot inside the guest is not enough.',
      w: 4,
      h: 3,
      unit: 'none',
      steps: [[1, COLOR.wrong]],
      noValue: 'not running',
      queries: [
        { expr: `sum by (${ONE_DOMAIN}) (${facts('libvirt_domain_config_pending')})`, legend: '{{domain}}' },
      ],
    }),
    stat({
      id: 8,
      title: 'Guest agent',
      description:
        'Whether the guest’s agent answered the last probe. Without it, iowait, swap in use, pressure and load stay unknown.',
      w: 4,
      h: 3,
      unit: 'none',
      mappings: AGENT,
      noValue: 'no channel',
      queries: [{ expr: facts('libvirt_domain_guest_agent_up'), legend: '{{domain}}' }],
    }),
    stat({
      id: 9,
      title: 'iowait now',
      description: 'Share of the guest’s CPU time spent waiting for I/O.',
      w: 4,
      h: 3,
      unit: 'percentunit',
      steps: [
        [0.1, COLOR.soon],
        [0.2, COLOR.broken],
      ],
      queries: [{ expr: guestCpuShare('iowait', ONE_DOMAIN, DOMAIN), legend: '{{domain}}' }],
    }),
    stat({
      id: 10,
      title: 'Swap now',
      description: 'Swap in use inside the guest. On a Kubernetes node there should be none.',
      w: 4,
      h: 3,
      unit: 'bytes',
      steps: [[1, COLOR.soon]],
      queries: [{ expr: facts('libvirt_domain_guest_swap_used_bytes'), legend: '{{domain}}' }],
    }),
    stat({
      id: 11,
      title: 'Started',
      description:
        'When the domain’s process started: since then its machine type and QEMU are what they are.',
      w: 4,
      h: 3,
      unit: 'dateTimeFromNow',
      base: COLOR.unknown,
      noValue: 'not running',
      queries: [{ expr: `${facts('libvirt_domain_start_time_seconds')} * 1000`, legend: '{{domain}}' }],
    }),
    stat({
      id: 12,
      title: 'OS support left',
      description: 'Until the end of support of the OS that runs, else of the declared one.',
      w: 4,
      h: 3,
      unit: 's',
      base: COLOR.broken,
      steps: [
        [0, COLOR.soon],
        [90 * 86400, COLOR.good],
      ],
      noValue: 'unknown',
      queries: [
        { expr: `${facts('libvirt_domain_os_eol_timestamp_seconds')} - time()`, legend: '{{domain}}' },
      ],
    }),
  ];
}

export function domainStats(): Panel[] {
  return [...whatItIs(), ...howItIs()];
}
