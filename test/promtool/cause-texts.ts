import { guestSeries, type Phase, TARGET } from '../support/simulated-guest.ts';
import { FIRING } from './slow-situations.ts';

/** What the alerts on causes say, word for word. */

export const STEP_SECONDS = 60;
/** All fire by then, also after minutes in which all was well. */
export const MINUTE = 20;
const LONG_ENOUGH = 22;
const VCPUS = 8;

export interface AlertText {
  readonly domain: string;
  readonly alertname: string;
  readonly severity: string;
  readonly cause: string;
  readonly summary: string;
  readonly description: string;
}

const OLD_MACHINE = {
  'libvirt_domain_machine_type_info{machine="pc-q35-3.1",latest="pc-q35-7.2"}': 1,
  libvirt_domain_machine_type_releases_behind: 12,
};
const advice = (...names: string[]): Record<string, number> =>
  Object.fromEntries(names.map((name) => [`libvirt_domain_config_advice{advice="${name}"}`, 1]));

/** Domains by name: the situation that each is in, and what is different from it. */
const DOMAINS: Readonly<
  Record<string, readonly [situation: string, different?: (phase: Phase) => Partial<Phase>]>
> = {
  seed: ['seed', () => ({ gauges: OLD_MACHINE })],
  'not-to-be-stopped': [
    'swap-without-psi',
    () => ({ gauges: { 'libvirt_domain_start_blocked{reason="firmware"}': 1 } }),
  ],
  'swaps-without-agent': ['swap-without-agent'],
  squeezed: ['balloon-halved'],
  throttled: ['throttled-busy-with-gaps'],
  iops: ['throttled-by-requests'],
  group: ['throttled-by-group'],
  copied: ['job'],
  quota: ['quota', () => ({ gauges: advice('cpu_model_generic') })],
  starved: ['starved', () => ({ gauges: { ...OLD_MACHINE, ...advice('windows_without_hyperv') } })],
  // vdb is near its limit and does nothing: it is not named.
  slow: [
    'slow',
    ({ disks }) => ({
      gauges: { ...OLD_MACHINE, ...advice('disk_not_virtio') },
      disks: {
        vda: { ...disks?.vda, limits: { total_bytes: 60_000 } },
        vdb: { read: { perSecond: 1, seconds: 0.001, bytesPerSecond: 10 }, limits: { total_bytes: 11 } },
      },
    }),
  ],
  flushes: ['slow-flushes'],
  hung: ['hung'],
  'hung-in-d': ['hung-qemu-in-d'],
  'swapped-out': ['swapped-out'],
  frozen: ['frozen'],
  nfs: ['nfs'],
  'little-memory': ['page-cache-too-small'],
};

export function textSeries(): Record<string, string> {
  const series: Record<string, string> = {};
  for (const [domain, [name, different = () => ({})]] of Object.entries(DOMAINS)) {
    const phases = FIRING.find((each) => each.name === name)?.phases(VCPUS) ?? [];
    const last = phases.at(-1);
    if (last === undefined) throw new Error(`no situation ${name}`);
    const lasting = { ...last, ...different(last), minutes: LONG_ENOUGH };
    Object.assign(series, guestSeries({ domain, phases: [...phases.slice(0, -1), lasting] }, STEP_SECONDS));
  }
  const host = Object.entries(TARGET).map(([label, value]) => `${label}="${value}"`);
  series[`libvirt_hypervisor_cpus{${host}}`] = '16x40';
  series[`libvirt_hypervisor_pressure_waiting_seconds_total{${host}, resource="cpu"}`] = '0+45x40';
  return series;
}

/** In the order of the rules. */
export const ALERT_TEXTS: readonly AlertText[] = [
  {
    domain: 'not-to-be-stopped',
    alertname: 'LibvirtGuestSwapThrashing',
    severity: 'warning',
    cause: 'swap',
    summary: 'A guest is slow because it swaps.',
    description:
      'not-to-be-stopped on hv1:9177 swaps 3.2 MiB/s with 41 % of its swap in use, and 1.0 of its ' +
      'CPUs wait for I/O. In the guest: see it with `vmstat 5` (si, so) and find what needs the ' +
      'memory (`ps -eo rss,comm --sort -rss | head`). Where `free -m` shows more memory available ' +
      'than swap used: `swapoff -a`, which takes minutes, and remove swap from /etc/fstab; a ' +
      'Kubernetes node without that room is drained first. Else more memory, on the host: `virsh ' +
      'setmem not-to-be-stopped SIZE --live` up to the maximum; not more than that for now, as it ' +
      'would not start again after a stop.',
  },
  {
    domain: 'seed',
    alertname: 'LibvirtGuestSwapThrashing',
    severity: 'warning',
    cause: 'swap',
    summary: 'A guest is slow because it swaps.',
    description:
      'seed on hv1:9177 swaps 3.2 MiB/s with 41 % of its swap in use, and waits for I/O 59 % of the ' +
      'time. In the guest: see it with `vmstat 5` (si, so) and find what needs the memory (`ps -eo ' +
      'rss,comm --sort -rss | head`). Where `free -m` shows more memory available than swap used: ' +
      '`swapoff -a`, which takes minutes, and remove swap from /etc/fstab; a Kubernetes node ' +
      'without that room is drained first. Else more memory, on the host: `virsh setmem seed SIZE ' +
      '--live` up to the maximum, or more by `virsh edit seed` and a full stop and start, not a ' +
      'reboot. Its machine type pc-q35-3.1 is old, but that is not why it is slow.',
  },
  {
    domain: 'swaps-without-agent',
    alertname: 'LibvirtGuestSwapThrashing',
    severity: 'warning',
    cause: 'swap',
    summary: 'A guest is slow because it swaps.',
    description:
      'swaps-without-agent on hv1:9177 swaps 3.2 MiB/s. In the guest: see it with `vmstat 5` (si, ' +
      'so) and find what needs the memory (`ps -eo rss,comm --sort -rss | head`). Where `free -m` ' +
      'shows more memory available than swap used: `swapoff -a`, which takes minutes, and remove ' +
      'swap from /etc/fstab; a Kubernetes node without that room is drained first. Else more ' +
      'memory, on the host: `virsh setmem swaps-without-agent SIZE --live` up to the maximum, or ' +
      'more by `virsh edit swaps-without-agent` and a full stop and start, not a reboot.',
  },
  {
    domain: 'group',
    alertname: 'LibvirtDomainDiskThrottled',
    severity: 'warning',
    cause: 'disk_throttled',
    summary: 'A domain waits for a disk that is at the limit set for it.',
    description:
      'group on hv1:9177 waits for a limit of its own: disk vda is at 96 % of the limit that the ' +
      'disks of its throttle group share, with 1.2 requests waiting or under way. The storage ' +
      'behind it is not at fault. On the host: `virsh -r blkdeviotune group vda` shows the limit; ' +
      'raise it at once with `virsh blkdeviotune group vda --total-bytes-sec N --live --config`, or ' +
      'find in the guest what reads or writes so much (`iotop -o`).',
  },
  {
    domain: 'iops',
    alertname: 'LibvirtDomainDiskThrottled',
    severity: 'warning',
    cause: 'disk_throttled',
    summary: 'A domain waits for a disk that is at the limit set for it.',
    description:
      'iops on hv1:9177 waits for a limit of its own: disk vda is at 95 % of total_requests ' +
      '(100/s), with 0.9 requests waiting or under way. The storage behind it is not at fault. On ' +
      'the host: `virsh -r blkdeviotune iops vda` shows the limit; raise it at once with `virsh ' +
      'blkdeviotune iops vda --total-iops-sec N --live --config`, or find in the guest what reads ' +
      'or writes so much (`iotop -o`).',
  },
  {
    domain: 'throttled',
    alertname: 'LibvirtDomainDiskThrottled',
    severity: 'warning',
    cause: 'disk_throttled',
    summary: 'A domain waits for a disk that is at the limit set for it.',
    description:
      'throttled on hv1:9177 waits for a limit of its own: disk vda is at 96 % of total_bytes ' +
      '(4MB/s), with 3.9 requests waiting or under way. The storage behind it is not at fault. On ' +
      'the host: `virsh -r blkdeviotune throttled vda` shows the limit; raise it at once with ' +
      '`virsh blkdeviotune throttled vda --total-bytes-sec N --live --config`, or find in the guest ' +
      'what reads or writes so much (`iotop -o`).',
  },
  {
    domain: 'flushes',
    alertname: 'LibvirtGuestStorageSlow',
    severity: 'warning',
    cause: 'storage_slow',
    summary: 'A guest is slow because its storage is slow.',
    description:
      'flushes on hv1:9177 waits for its storage: disk vda takes 200 ms per flush, with 0.8 ' +
      'requests under way. On the host: `virsh -r domblklist flushes` shows what the disk stands ' +
      'on; then `iostat -x 5` (r_await, w_await), `dmesg -T | tail`, and the health of the disks or ' +
      'of the network storage. Are other VMs on it slow as well? In the guest `iotop -o` shows who ' +
      'reads and writes.',
  },
  {
    domain: 'slow',
    alertname: 'LibvirtGuestStorageSlow',
    severity: 'warning',
    cause: 'storage_slow',
    summary: 'A guest is slow because its storage is slow.',
    description:
      'slow on hv1:9177 waits for its storage: disk vda takes 100 ms per read, with 0.9 requests ' +
      'under way. It is at 60 % of its limit total_bytes, so look at `virsh -r blkdeviotune slow ' +
      'vda` too. On the host: `virsh -r domblklist slow` shows what the disk stands on; then ' +
      '`iostat -x 5` (r_await, w_await), `dmesg -T | tail`, and the health of the disks or of the ' +
      'network storage. Are other VMs on it slow as well? In the guest `iotop -o` shows who reads ' +
      'and writes. Its machine type pc-q35-3.1 is old, but that is not why it is slow. Its ' +
      'configuration makes each request dearer: a disk is not virtio (see the runbook).',
  },
  {
    domain: 'hung',
    alertname: 'LibvirtDomainStorageHung',
    severity: 'critical',
    cause: 'storage_hung',
    summary: 'The storage of a domain hangs.',
    description:
      'No disk of hung on hv1:9177 has ended a request for a minute, and the guest waits for I/O 90 ' +
      '% of the time. On the host: `virsh -r domblklist hung` shows what its disks stand on, `dmesg ' +
      '-T | tail` what the kernel misses; look at multipath, NFS, Ceph or the NBD server behind it. ' +
      'The guest goes on when the storage answers. Do not destroy it before: what it has not ' +
      'written is lost. If `virsh -r domstats --block hung` shows requests that advance, the guest ' +
      'waits for something else: look in it for network mounts that hang (`ps -eo ' +
      'state,pid,wchan:30,comm | grep ^D`).',
  },
  {
    domain: 'hung-in-d',
    alertname: 'LibvirtDomainStorageHung',
    severity: 'critical',
    cause: 'storage_hung',
    summary: 'The storage of a domain hangs.',
    description:
      'No disk of hung-in-d on hv1:9177 has ended a request for a minute; a thread of its QEMU has ' +
      "hung in the host's kernel (state D) for 40s. On the host: `virsh -r domblklist hung-in-d` " +
      'shows what its disks stand on, `dmesg -T | tail` what the kernel misses; look at multipath, ' +
      'NFS, Ceph or the NBD server behind it. The guest goes on when the storage answers. Do not ' +
      'destroy it before: what it has not written is lost. If `virsh -r domstats --block hung-in-d` ' +
      'shows requests that advance, the guest waits for something else: look in it for network ' +
      'mounts that hang (`ps -eo state,pid,wchan:30,comm | grep ^D`).',
  },
  {
    domain: 'starved',
    alertname: 'LibvirtDomainCpuStarved',
    severity: 'warning',
    cause: 'cpu_starved',
    summary: 'A domain is slow because the host has no CPU for it.',
    description:
      'vCPUs of starved on hv1:9177 that are ready to run do not get a CPU of the host 83 % of the ' +
      'time: it misses 6.8 CPUs. The host runs 9.0 vCPUs for each of its CPUs. On it something ' +
      'waits for a CPU 75 % of the time. On the host: `top` and `virt-top` show what uses the CPUs; ' +
      'stop it, move a VM away (`virsh migrate --live`), or give this one a larger share: `virsh ' +
      'schedinfo starved --live --config --set cpu_shares=N`. Pinned vCPUs: `virsh -r vcpupin ' +
      'starved`. Its machine type pc-q35-3.1 is old, but that is not why it is slow. Its ' +
      'configuration makes each CPU second do less: it runs Windows without hyperv enlightenments ' +
      '(see the runbook).',
  },
  {
    domain: 'quota',
    alertname: 'LibvirtDomainCpuThrottled',
    severity: 'warning',
    cause: 'cpu_throttled',
    summary: 'A domain is slow because its CPU quota is used up.',
    description:
      'quota on hv1:9177 wants more CPU time than its quota of 0.2 CPUs allows: the quota stops it ' +
      "in 71 % of the periods, for 6.4 s a second. That says nothing about the host's CPUs. On the " +
      'host: `virsh schedinfo quota` shows vcpu_quota, global_quota and emulator_quota; raise it at ' +
      'once with `virsh schedinfo quota --live --config --set vcpu_quota=MICROSECONDS` (a negative ' +
      'value is no quota), or find in the guest what uses the CPUs (`top`). Its configuration makes ' +
      "each CPU second do less: the CPU model is a generic one, not the host's (see the runbook).",
  },
  {
    domain: 'swapped-out',
    alertname: 'LibvirtDomainSwappedOut',
    severity: 'warning',
    cause: 'host_swap',
    summary: 'A domain is slow because the host has swapped out its memory.',
    description:
      'The host has swapped out 300 MiB of the memory of swapped-out on hv1:9177, and its QEMU ' +
      'waits for memory 40 % of the time. It is the host that is short of memory, not the guest: ' +
      'more memory for the guest makes it worse. On the host: `free -m`, `ps -eo rss,comm --sort ' +
      '-rss | head`; stop what is not needed, move a VM away (`virsh migrate --live`), or take ' +
      'memory from a guest that has it to spare (`virsh setmem`). When there is room, `swapoff -a ' +
      '&& swapon -a` on the host reads the pages back.',
  },
  {
    domain: 'squeezed',
    alertname: 'LibvirtGuestMemorySqueezed',
    severity: 'warning',
    cause: 'balloon',
    summary: 'A guest is short of memory while its balloon holds some of it.',
    description:
      'squeezed on hv1:9177 is short of memory and has only 128 MiB of its 256 MiB: the balloon ' +
      'holds the rest. It swaps 0.9 MiB/s, waiting for memory 43 % of the time. On the host, if ' +
      '`free -m` shows room there, at once: `virsh setmem squeezed 256MiB --live`. The guest needs ' +
      'no restart for that. What took the memory away (a script, an autoscaler) may do it again.',
  },
  {
    domain: 'copied',
    alertname: 'LibvirtDomainBlockJobSlow',
    severity: 'warning',
    cause: 'block_job',
    summary: 'A domain waits for a disk that a block job keeps busy.',
    description:
      'copied on hv1:9177 waits for a disk on which a block job is under way: vda (copy) takes 40 ' +
      'ms per request; before the job it took 20 ms. On the host: `virsh blockjob copied vda ' +
      '--info` shows how far it is. Slow it down with `virsh blockjob copied vda --bandwidth ' +
      'MIB_PER_SECOND`, or end it with `virsh blockjob copied vda --abort`, which loses its ' +
      'progress; a backup ends with `virsh domjobabort copied`.',
  },
  {
    domain: 'frozen',
    alertname: 'LibvirtGuestFrozen',
    severity: 'warning',
    cause: 'backup',
    summary: 'The filesystems of a guest are frozen, so whoever writes in it hangs.',
    description:
      'The filesystems of frozen on hv1:9177 are frozen, as backups do for some seconds, and nobody ' +
      'has thawed them: whoever writes in the guest hangs. Does a backup of it still run? On the ' +
      "host: `virsh -r domjobinfo frozen`, and the backup's own log. If none does: `virsh domfsthaw " +
      'frozen`. The guest agent needs no restart: it answers only what a thaw needs.',
  },
  {
    domain: 'little-memory',
    alertname: 'LibvirtGuestIowaitHigh',
    severity: 'warning',
    cause: 'iowait_unexplained',
    summary: 'A guest waits for I/O, and no cause of it is seen from the host.',
    description:
      'little-memory on hv1:9177 waits for I/O 70 % of the time (iowait of 0.6 CPUs), and for ' +
      'memory 65 % of the time: it has too little memory to keep what it reads from its disks. On ' +
      'the host give it more, `virsh setmem little-memory SIZE --live` up to the maximum. Ruled ' +
      'out: swapping; its disks (none takes more than 1 ms per request, none is at a limit); the ' +
      "host's CPUs; frozen filesystems. In the guest: `ps -eo state,pid,wchan:30,comm | grep ^D` " +
      'shows who waits and in what; network mounts (NFS) that hang; `iotop -o`.',
  },
  {
    domain: 'nfs',
    alertname: 'LibvirtGuestIowaitHigh',
    severity: 'warning',
    cause: 'iowait_unexplained',
    summary: 'A guest waits for I/O, and no cause of it is seen from the host.',
    description:
      'nfs on hv1:9177 waits for I/O 90 % of the time (iowait of 0.9 CPUs), and nothing that is ' +
      'seen accounts for it. Ruled out: swapping; its disks (none takes more than 2 ms per request, ' +
      "none is at a limit); the host's CPUs; frozen filesystems. In the guest: `ps -eo " +
      'state,pid,wchan:30,comm | grep ^D` shows who waits and in what; network mounts (NFS) that ' +
      'hang; `iotop -o`.',
  },
];
