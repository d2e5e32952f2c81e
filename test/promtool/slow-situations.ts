import type { AgentView, Disk, Moment, Phase } from '../support/simulated-guest.ts';

/**
 * Situations of one domain, and the cause that is to be recorded in each; undefined where nothing is wrong. Figures are
 * those of real guests where there was one.
 */

export interface Situation {
  readonly name: string;
  readonly cause: string | undefined;
  /** What happens, for a guest with that many vCPUs. */
  readonly phases: (vcpus: number) => readonly Phase[];
  /** Without a statistics time: an exporter from before. */
  readonly withoutStatsTime?: boolean;
}

const MIB = 2 ** 20;
export const FROZEN = 'libvirt_domain_guest_missing{family="cpu",reason="frozen"}';

export const FAST_DISK: Disk = {
  read: { perSecond: 20, seconds: 0.0005, bytesPerSecond: 80_000 },
  write: { perSecond: 5, seconds: 0.001, bytesPerSecond: 20_000 },
  flush: { perSecond: 1, seconds: 0.002 },
};
const IDLE_DISK: Disk = {
  read: { perSecond: 0, seconds: 0, bytesPerSecond: 0 },
  write: { perSecond: 0, seconds: 0, bytesPerSecond: 0 },
  flush: { perSecond: 0, seconds: 0 },
};
export const CALM_AGENT: AgentView = {
  iowaitCpus: 0.02,
  busyCpus: 0.1,
  io: 0.02,
  memory: 0,
  cpu: 0.03,
  load1: 0.15,
  swapUsedBytes: 0,
  swapTotalBytes: 256 * MIB,
};
const CALM_HOST: Moment = {
  balloonSwap: 0,
  balloonBytes: { current: 512 * MIB, maximum: 512 * MIB },
  vcpuTime: 0.1,
  vcpuDelay: 0.002,
  processSwapBytes: 0,
  processBlockedSeconds: 0,
  hostMemoryPressure: 0,
};

/** A healthy guest, with what is different in it. */
export function guest(vcpus: number, minutes: number, different: Partial<Phase> = {}): Phase {
  return { minutes, vcpus, ...CALM_HOST, agent: CALM_AGENT, disks: { vda: FAST_DISK }, ...different };
}

/** An agent that reports this, and is calm otherwise. */
const agent = (different: AgentView): AgentView => ({ ...CALM_AGENT, ...different });
const lasting = (different: (vcpus: number) => Partial<Phase>) => (vcpus: number) => [
  guest(vcpus, 9, different(vcpus)),
];
const after = (different: (vcpus: number) => Partial<Phase>) => (vcpus: number) => [
  guest(vcpus, 6),
  guest(vcpus, 9, different(vcpus)),
];
/** CPUs in iowait, at most nine tenths of the guest's. */
const upTo = (vcpus: number, cpus: number): number => Math.min(cpus, vcpus * 0.9);

/** Works its swap on a disk that is limited to 4 MB/s. */
const SWAP_DISK: Disk = {
  read: { perSecond: 460, seconds: 0.02, bytesPerSecond: 1_900_000 },
  write: { perSecond: 20, seconds: 0.1, bytesPerSecond: 1_900_000 },
  limits: { total_bytes: 4_000_000 },
};
const THRASHING = (vcpus: number): Partial<Phase> => ({
  agent: agent({
    iowaitCpus: upTo(vcpus, 0.96),
    busyCpus: 0.05,
    io: 0.59,
    memory: 0.57,
    load1: 1.7,
    swapUsedBytes: 100 * MIB,
    swapUsedMovesBytes: MIB,
  }),
  balloonSwap: 3_400_000,
  disks: { vda: SWAP_DISK },
});
const AT_LIMIT: Disk = {
  read: { perSecond: 16, seconds: 0.245, bytesPerSecond: 3_840_000 },
  write: { perSecond: 0, seconds: 0, bytesPerSecond: 0 },
  limits: { total_bytes: 4_000_000 },
};
const WAITS = (vcpus: number): AgentView =>
  agent({ iowaitCpus: upTo(vcpus, 0.9), busyCpus: 0.05, io: 0.9, load1: 1.1 });
const SLOW_DISK: Disk = {
  read: { perSecond: 9, seconds: 0.1, bytesPerSecond: 36_000 },
  write: { perSecond: 0, seconds: 0, bytesPerSecond: 0 },
  flush: { perSecond: 0, seconds: 0 },
};
/** All its vCPUs are busy, and one more task waits for the disk. */
const BUSY_AND_WAITS = (vcpus: number): AgentView =>
  agent({ iowaitCpus: 0.013 * vcpus, busyCpus: 0.98 * vcpus, io: 0.95, cpu: 0.25, load1: vcpus + 1.2 });
/** A task that waits in io_uring without anything to wait for. */
const IDLE_URING = (vcpus: number): AgentView =>
  agent({ iowaitCpus: 0.5 * Math.min(vcpus, 2), busyCpus: 0.03, io: 0.83, load1: 0.07 });

export const FIRING: readonly Situation[] = [
  { name: 'seed', cause: 'swap', phases: lasting(THRASHING) },
  { name: 'swap-after-a-while', cause: 'swap', phases: after(THRASHING) },
  {
    name: 'swap-without-agent',
    cause: 'swap',
    phases: lasting((vcpus) => ({ ...THRASHING(vcpus), agent: undefined })),
  },
  {
    name: 'swap-without-balloon',
    cause: 'swap',
    phases: lasting((vcpus) => ({ ...THRASHING(vcpus), balloonSwap: undefined, balloonBytes: undefined })),
  },
  {
    name: 'swap-without-psi',
    cause: 'swap',
    phases: lasting((vcpus) => ({
      ...THRASHING(vcpus),
      agent: { ...THRASHING(vcpus).agent, io: undefined, memory: undefined, cpu: undefined },
    })),
  },
  {
    name: 'swap-with-cpustats-alone',
    cause: 'swap',
    phases: lasting((vcpus) => ({
      ...THRASHING(vcpus),
      agent: { iowaitCpus: upTo(vcpus, 0.96), busyCpus: 0.05 },
    })),
  },
  {
    name: 'swap-then-silent',
    cause: 'swap',
    phases: (vcpus) => [
      guest(vcpus, 6, THRASHING(vcpus)),
      guest(vcpus, 9, { ...THRASHING(vcpus), agentSilent: true }),
    ],
  },
  {
    name: 'balloon-halved',
    cause: 'balloon',
    phases: lasting((vcpus) => ({
      ...THRASHING(vcpus),
      agent: agent({ iowaitCpus: 0.36, busyCpus: 0.05, io: 0.45, memory: 0.43, load1: 0.9 }),
      balloonSwap: 900_000,
      balloonBytes: { current: 128 * MIB, maximum: 256 * MIB },
    })),
  },
  {
    name: 'balloon-without-agent',
    cause: 'balloon',
    phases: lasting((vcpus) => ({
      ...THRASHING(vcpus),
      agent: undefined,
      balloonBytes: { current: 128 * MIB, maximum: 256 * MIB },
    })),
  },
  {
    name: 'balloon-without-swap',
    cause: 'balloon',
    phases: lasting((vcpus) => ({
      agent: agent({ iowaitCpus: upTo(vcpus, 0.6), io: 0.6, memory: 0.5, load1: 1.2, swapTotalBytes: 0 }),
      balloonBytes: { current: 128 * MIB, maximum: 256 * MIB },
    })),
  },
  {
    name: 'throttled',
    cause: 'disk_throttled',
    phases: lasting((vcpus) => ({
      agent: agent({ iowaitCpus: upTo(vcpus, 0.8), io: 0.76, load1: 1.1 }),
      disks: { vda: AT_LIMIT },
    })),
  },
  {
    name: 'throttled-busy-with-gaps',
    cause: 'disk_throttled',
    phases: lasting((vcpus) => ({
      agent: BUSY_AND_WAITS(vcpus),
      vcpuTime: vcpus * 0.9,
      disks: { vda: AT_LIMIT },
      gaps: true,
    })),
  },
  {
    name: 'throttled-without-agent',
    cause: 'disk_throttled',
    phases: lasting(() => ({ agent: undefined, disks: { vda: AT_LIMIT } })),
  },
  {
    name: 'throttled-by-requests',
    cause: 'disk_throttled',
    phases: lasting((vcpus) => ({
      agent: WAITS(vcpus),
      disks: {
        vda: {
          write: { perSecond: 95, seconds: 0.01, bytesPerSecond: 400_000 },
          limits: { total_requests: 100, total_bytes: 1e9 },
        },
      },
    })),
  },
  {
    name: 'throttled-by-group',
    cause: 'disk_throttled',
    phases: lasting((vcpus) => ({
      agent: WAITS(vcpus),
      disks: {
        vda: {
          read: { perSecond: 8, seconds: 0.15, bytesPerSecond: 1_950_000 },
          limits: { total_bytes: 4_000_000 },
          throttleGroup: 'slow',
        },
        vdb: {
          write: { perSecond: 8, seconds: 0.12, bytesPerSecond: 1_900_000 },
          limits: { total_bytes: 4_000_000 },
          throttleGroup: 'slow',
        },
      },
    })),
  },
  {
    name: 'throttled-without-stats-time',
    cause: 'disk_throttled',
    withoutStatsTime: true,
    phases: lasting((vcpus) => ({ agent: WAITS(vcpus), disks: { vda: AT_LIMIT } })),
  },
  {
    name: 'slow',
    cause: 'storage_slow',
    phases: lasting((vcpus) => ({ agent: WAITS(vcpus), disks: { vda: SLOW_DISK } })),
  },
  {
    name: 'slow-without-agent',
    cause: 'storage_slow',
    phases: lasting(() => ({ agent: undefined, disks: { vda: SLOW_DISK } })),
  },
  {
    name: 'slow-busy',
    cause: 'storage_slow',
    phases: lasting((vcpus) => ({
      agent: BUSY_AND_WAITS(vcpus),
      vcpuTime: vcpus * 0.9,
      disks: { vda: SLOW_DISK },
    })),
  },
  {
    name: 'slow-flushes',
    cause: 'storage_slow',
    phases: lasting((vcpus) => ({
      agent: WAITS(vcpus),
      disks: { vda: { ...FAST_DISK, flush: { perSecond: 4, seconds: 0.2 } } },
    })),
  },
  {
    name: 'slow-beside-a-fast-one',
    cause: 'storage_slow',
    phases: lasting((vcpus) => ({ agent: WAITS(vcpus), disks: { vda: FAST_DISK, vdb: SLOW_DISK } })),
  },
  {
    name: 'stalls',
    cause: 'storage_slow',
    phases: lasting((vcpus) => ({
      agent: WAITS(vcpus),
      disks: { vda: { write: { perSecond: 0.05, seconds: 30, bytesPerSecond: 400 } } },
    })),
  },
  {
    name: 'hung',
    cause: 'storage_hung',
    phases: after((vcpus) => ({ agent: WAITS(vcpus), disks: { vda: IDLE_DISK } })),
  },
  {
    name: 'hung-busy',
    cause: 'storage_hung',
    phases: after((vcpus) => ({
      agent: BUSY_AND_WAITS(vcpus),
      vcpuTime: vcpus * 0.9,
      disks: { vda: IDLE_DISK },
    })),
  },
  {
    name: 'hung-then-silent',
    cause: 'storage_hung',
    phases: (vcpus) => [
      guest(vcpus, 6),
      guest(vcpus, 6, { agent: WAITS(vcpus), disks: { vda: IDLE_DISK } }),
      guest(vcpus, 9, { agent: WAITS(vcpus), disks: { vda: IDLE_DISK }, agentSilent: true }),
    ],
  },
  {
    name: 'hung-qemu-in-d',
    cause: 'storage_hung',
    phases: after(() => ({ agent: undefined, processBlockedSeconds: 40, disks: { vda: IDLE_DISK } })),
  },
  {
    name: 'hung-monitor-too',
    cause: 'storage_hung',
    phases: after(() => ({
      agent: undefined,
      processBlockedSeconds: 40,
      disks: {},
      gauges: { libvirt_domain_scrape_success: 0 },
    })),
  },
  {
    name: 'starved',
    cause: 'cpu_starved',
    phases: lasting((vcpus) => ({
      agent: agent({ busyCpus: vcpus * 0.99, iowaitCpus: 0, cpu: 0.9, load1: 2 * vcpus }),
      vcpuTime: 0.15 * vcpus + 0.2,
      vcpuDelay: 0.85 * vcpus,
    })),
  },
  {
    name: 'starved-without-agent',
    cause: 'cpu_starved',
    phases: lasting((vcpus) => ({ agent: undefined, vcpuTime: 0.3 * vcpus, vcpuDelay: 0.6 * vcpus })),
  },
  {
    name: 'starved-so-requests-seem-slow',
    cause: 'cpu_starved',
    phases: lasting((vcpus) => ({
      agent: WAITS(vcpus),
      vcpuTime: 0.3 * vcpus,
      vcpuDelay: 0.6 * vcpus,
      disks: { vda: SLOW_DISK },
    })),
  },
  {
    name: 'quota',
    cause: 'cpu_throttled',
    phases: lasting((vcpus) => ({
      agent: agent({ busyCpus: vcpus * 0.95, iowaitCpus: 0, cpu: 0.5, load1: vcpus + 1 }),
      vcpuTime: 0.2,
      vcpuDelay: 0.91 * vcpus,
      throttled: { seconds: 0.8 * vcpus, periods: 817 / 1153, quotaCores: 0.2 },
    })),
  },
  {
    name: 'quota-without-agent',
    cause: 'cpu_throttled',
    phases: lasting((vcpus) => ({
      agent: undefined,
      vcpuDelay: 0.91 * vcpus,
      throttled: { seconds: 0.8, periods: 0.7 },
    })),
  },
  {
    name: 'swapped-out',
    cause: 'host_swap',
    phases: lasting((vcpus) => ({
      agent: agent({ busyCpus: 0.3, load1: 1 }),
      vcpuTime: 0.2 * vcpus,
      processSwapBytes: 300 * MIB,
      hostMemoryPressure: 0.4,
    })),
  },
  {
    name: 'job',
    cause: 'block_job',
    phases: (vcpus) => [
      guest(vcpus, 8, {
        agent: WAITS(vcpus),
        disks: { vda: { read: { perSecond: 45, seconds: 0.02, bytesPerSecond: 180_000 } } },
      }),
      guest(vcpus, 9, {
        agent: WAITS(vcpus),
        disks: { vda: { read: { perSecond: 22, seconds: 0.04, bytesPerSecond: 90_000 }, job: 'copy' } },
      }),
    ],
  },
  {
    name: 'job-from-the-start',
    cause: 'block_job',
    phases: lasting((vcpus) => ({ agent: WAITS(vcpus), disks: { vda: { ...SLOW_DISK, job: 'backup' } } })),
  },
  {
    name: 'frozen',
    cause: 'backup',
    phases: after(() => ({
      agent: undefined,
      gauges: { [FROZEN]: 1 },
      disks: { vda: IDLE_DISK },
    })),
  },
  {
    name: 'nfs',
    cause: 'iowait_unexplained',
    phases: lasting((vcpus) => ({
      agent: WAITS(vcpus),
      disks: { vda: { ...FAST_DISK, read: { perSecond: 0, seconds: 0 } } },
    })),
  },
  {
    name: 'page-cache-too-small',
    cause: 'iowait_unexplained',
    phases: lasting((vcpus) => ({
      agent: agent({ iowaitCpus: upTo(vcpus, 0.6), io: 0.7, memory: 0.65, load1: 1.5, swapTotalBytes: 0 }),
      disks: { vda: { read: { perSecond: 700, seconds: 0.001, bytesPerSecond: 9e6 } } },
    })),
  },
];

export const COMBINED: readonly Situation[] = [
  {
    name: 'swap-of-before-now-at-limit',
    cause: 'disk_throttled',
    phases: (vcpus) => [
      guest(vcpus, 6, THRASHING(vcpus)),
      guest(vcpus, 9, {
        agent: { ...WAITS(vcpus), swapUsedBytes: 100 * MIB },
        balloonSwap: 0,
        disks: { vda: AT_LIMIT },
      }),
    ],
  },
  {
    name: 'static-swap-at-limit',
    cause: 'disk_throttled',
    phases: lasting((vcpus) => ({
      agent: { ...WAITS(vcpus), swapUsedBytes: 100 * MIB },
      disks: { vda: AT_LIMIT },
    })),
  },
  {
    name: 'a-little-swap-on-a-slow-disk',
    cause: 'storage_slow',
    phases: lasting((vcpus) => ({
      agent: { ...WAITS(vcpus), memory: 0.15 },
      balloonSwap: 120_000,
      disks: { vda: { read: { perSecond: 30, seconds: 0.2, bytesPerSecond: 3_000_000 } } },
    })),
  },
  {
    name: 'swap-turned-off',
    cause: 'disk_throttled',
    phases: lasting((vcpus) => ({
      agent: { ...WAITS(vcpus), swapTotalBytes: 0 },
      balloonSwap: 3_000_000,
      disks: { vda: AT_LIMIT },
    })),
  },
  {
    name: 'job-on-a-disk-that-was-as-slow',
    cause: 'storage_slow',
    phases: (vcpus) => [
      guest(vcpus, 8, { agent: WAITS(vcpus), disks: { vda: SLOW_DISK } }),
      guest(vcpus, 9, { agent: WAITS(vcpus), disks: { vda: { ...SLOW_DISK, job: 'copy' } } }),
    ],
  },
  {
    name: 'job-on-a-disk-at-its-limit',
    cause: 'disk_throttled',
    phases: lasting((vcpus) => ({ agent: WAITS(vcpus), disks: { vda: { ...AT_LIMIT, job: 'copy' } } })),
  },
  {
    name: 'job-on-another-disk',
    cause: 'storage_slow',
    phases: lasting((vcpus) => ({
      agent: WAITS(vcpus),
      disks: { vda: SLOW_DISK, vdb: { ...FAST_DISK, job: 'copy' } },
    })),
  },
  {
    name: 'quota-and-neighbours',
    cause: 'cpu_throttled',
    phases: lasting((vcpus) => ({
      agent: agent({ busyCpus: vcpus, iowaitCpus: 0, cpu: 0.9, load1: 2 * vcpus }),
      vcpuTime: 0.3 * vcpus,
      vcpuDelay: 0.6 * vcpus,
      throttled: { seconds: 0.5, periods: 0.6 },
    })),
  },
  {
    name: 'quota-and-slow-requests',
    cause: 'cpu_throttled',
    phases: lasting((vcpus) => ({
      agent: WAITS(vcpus),
      vcpuDelay: 0.8 * vcpus,
      throttled: { seconds: 0.8, periods: 0.7 },
      disks: { vda: SLOW_DISK },
    })),
  },
  {
    name: 'swapped-out-and-swaps',
    cause: 'host_swap',
    phases: lasting((vcpus) => ({
      ...THRASHING(vcpus),
      processSwapBytes: 300 * MIB,
      hostMemoryPressure: 0.3,
    })),
  },
  {
    name: 'thrashes-and-starved',
    cause: 'swap',
    phases: lasting((vcpus) => ({ ...THRASHING(vcpus), vcpuTime: 0.3, vcpuDelay: 0.5 })),
  },
  {
    name: 'frozen-and-at-limit',
    cause: 'backup',
    phases: lasting(() => ({
      agent: undefined,
      gauges: { [FROZEN]: 1 },
      disks: { vda: AT_LIMIT },
    })),
  },
  {
    name: 'squeezed-but-at-limit',
    cause: 'disk_throttled',
    phases: lasting((vcpus) => ({
      agent: { ...WAITS(vcpus), memory: 0.12 },
      balloonBytes: { current: 128 * MIB, maximum: 256 * MIB },
      disks: { vda: AT_LIMIT },
    })),
  },
];

export const HEALTHY: readonly Situation[] = [
  { name: 'calm', cause: undefined, phases: lasting(() => ({})) },
  { name: 'idle-io-uring', cause: undefined, phases: lasting((vcpus) => ({ agent: IDLE_URING(vcpus) })) },
  {
    name: 'idle-io-uring-idle-disk',
    cause: undefined,
    phases: lasting((vcpus) => ({ agent: IDLE_URING(vcpus), disks: { vda: IDLE_DISK } })),
  },
  {
    name: 'idle-io-uring-without-psi',
    cause: undefined,
    phases: lasting((vcpus) => ({
      agent: { ...IDLE_URING(vcpus), io: undefined, memory: undefined, cpu: undefined },
    })),
  },
  {
    name: 'idle-io-uring-without-load',
    cause: undefined,
    phases: lasting((vcpus) => ({
      agent: { ...IDLE_URING(vcpus), load1: undefined },
      disks: { vda: IDLE_DISK },
    })),
  },
  {
    name: 'idle-io-uring-beside-a-busy-task',
    cause: undefined,
    phases: lasting((vcpus) => ({
      agent: {
        ...IDLE_URING(vcpus),
        iowaitCpus: 0.45 * Math.min(vcpus - 0.98, 1),
        busyCpus: 0.98,
        load1: 1.1,
      },
      disks: { vda: IDLE_DISK },
      vcpuTime: 1,
    })),
  },
  {
    name: 'idle-io-uring-beside-many-busy-tasks',
    cause: undefined,
    phases: lasting((vcpus) => ({
      agent: { ...IDLE_URING(vcpus), iowaitCpus: 0, busyCpus: vcpus, cpu: 0.98, load1: 2 * vcpus },
      disks: { vda: IDLE_DISK },
      vcpuTime: vcpus,
    })),
  },
  {
    name: 'reads-much-from-a-fast-disk',
    cause: undefined,
    phases: lasting((vcpus) => ({
      agent: agent({ iowaitCpus: upTo(vcpus, 0.6), busyCpus: 0.3, io: 0.8, load1: 1.2 }),
      disks: { vda: { read: { perSecond: 1_100, seconds: 0.0004, bytesPerSecond: 9e6 } } },
    })),
  },
  {
    name: 'writes-at-full-speed-with-a-long-queue',
    cause: undefined,
    phases: lasting((vcpus) => ({
      agent: agent({ iowaitCpus: upTo(vcpus, 0.9), io: 0.9, load1: 3 }),
      disks: {
        vda: {
          write: { perSecond: 500, seconds: 0.2, bytesPerSecond: 2.5e8 },
          flush: { perSecond: 2, seconds: 0.4 },
        },
      },
    })),
  },
  {
    name: 'reads-from-a-spinning-disk',
    cause: undefined,
    phases: lasting((vcpus) => ({
      agent: WAITS(vcpus),
      disks: { vda: { read: { perSecond: 65, seconds: 0.014, bytesPerSecond: 266_000 } } },
    })),
  },
  {
    name: 'writes-back-slowly-and-nobody-waits',
    cause: undefined,
    phases: lasting(() => ({
      disks: { vda: { write: { perSecond: 2, seconds: 0.3, bytesPerSecond: 100_000 } } },
    })),
  },
  {
    name: 'at-its-limit-and-nobody-waits',
    cause: undefined,
    phases: lasting(() => ({ disks: { vda: AT_LIMIT } })),
  },
  {
    name: 'few-slow-requests-without-agent',
    cause: undefined,
    phases: lasting(() => ({
      agent: undefined,
      disks: { vda: { flush: { perSecond: 0.2, seconds: 0.08 } } },
    })),
  },
  {
    name: 'busy',
    cause: undefined,
    phases: lasting((vcpus) => ({
      agent: agent({ busyCpus: vcpus, iowaitCpus: 0, cpu: 0.95, load1: 3 * vcpus }),
      vcpuTime: 0.9 * vcpus,
      vcpuDelay: 0.1 * vcpus,
    })),
  },
  {
    name: 'busy-beside-one-neighbour',
    cause: undefined,
    phases: lasting((vcpus) => ({ vcpuTime: 0.67 * vcpus, vcpuDelay: 0.33 * vcpus })),
  },
  {
    name: 'busy-within-its-quota',
    cause: undefined,
    phases: lasting((vcpus) => ({
      agent: agent({ busyCpus: vcpus, iowaitCpus: 0, cpu: 0.9, load1: 2 * vcpus }),
      vcpuTime: vcpus,
      throttled: { seconds: 0.02, periods: 0.1 },
    })),
  },
  {
    name: 'static-swap',
    cause: undefined,
    phases: lasting(() => ({ agent: agent({ swapUsedBytes: 200 * MIB }) })),
  },
  {
    name: 'swaps-a-little-and-nobody-waits',
    cause: undefined,
    phases: lasting(() => ({
      agent: agent({ swapUsedBytes: 50 * MIB, swapUsedMovesBytes: MIB, memory: 0.02 }),
      balloonSwap: 200_000,
    })),
  },
  {
    name: 'cold-pages-in-the-hosts-swap',
    cause: undefined,
    phases: lasting(() => ({ processSwapBytes: 900 * MIB, hostMemoryPressure: 0.01 })),
  },
  {
    name: 'balloon-below-its-maximum',
    cause: undefined,
    phases: lasting(() => ({ balloonBytes: { current: 128 * MIB, maximum: 1024 * MIB } })),
  },
  {
    name: 'backup-job',
    cause: undefined,
    phases: after((vcpus) => ({
      agent: agent({ iowaitCpus: upTo(vcpus, 0.3), io: 0.3, load1: 0.5 }),
      disks: {
        vda: { ...FAST_DISK, read: { perSecond: 20, seconds: 0.004, bytesPerSecond: 80_000 }, job: 'backup' },
      },
    })),
  },
  {
    name: 'without-agent-and-busy-disk',
    cause: undefined,
    phases: lasting(() => ({
      agent: undefined,
      disks: { vda: { read: { perSecond: 900, seconds: 0.002, bytesPerSecond: 2e7 } } },
    })),
  },
  {
    name: 'paused-while-it-waited',
    cause: undefined,
    phases: (vcpus) => [
      guest(vcpus, 6, { agent: WAITS(vcpus), disks: { vda: SLOW_DISK } }),
      guest(vcpus, 8, { agent: WAITS(vcpus), disks: { vda: SLOW_DISK }, running: false }),
    ],
  },
];
