/** The values of one probe. A value that the guest did not supply is undefined; GuestView.missing has the reason. */
export interface GuestSample {
  /** Version of the guest agent, "7.2.22". */
  readonly agentVersion: string | undefined;
  readonly os: GuestOs | undefined;
  readonly cpu: GuestCpu | undefined;
  readonly memory: GuestMemory | undefined;
  readonly pressure: GuestPressure | undefined;
  readonly load: GuestLoad | undefined;
  /** Unix time in seconds at which the guest's kernel booted. */
  readonly bootTimeSeconds: number | undefined;
  /** Whether a kubelet configuration exists; undefined when files cannot be read. */
  readonly kubernetesNode: boolean | undefined;
}

/** guest-get-osinfo, validated; strings are bounded and free of control characters. */
export interface GuestOs {
  readonly id: string | undefined;
  readonly name: string | undefined;
  readonly prettyName: string | undefined;
  readonly version: string | undefined;
  readonly versionId: string | undefined;
  readonly variant: string | undefined;
  readonly variantId: string | undefined;
  readonly kernelRelease: string | undefined;
  readonly kernelVersion: string | undefined;
  readonly machine: string | undefined;
}

export const CPU_MODES = ['user', 'nice', 'system', 'idle', 'iowait', 'irq', 'softirq', 'steal'] as const;
export type CpuMode = (typeof CPU_MODES)[number];

/** Seconds since the guest's boot, summed over its CPUs; a mode that the guest does not report is undefined. */
export type GuestCpu = Readonly<Record<CpuMode, number | undefined>>;

/** A value that the guest does not report, or that cannot be true, is undefined; the others are served. */
export interface GuestMemory {
  readonly totalBytes: number | undefined;
  readonly availableBytes: number | undefined;
  readonly swapTotalBytes: number | undefined;
  readonly swapUsedBytes: number | undefined;
}

export const PRESSURE_RESOURCES = ['io', 'memory', 'cpu'] as const;
export type PressureResource = (typeof PRESSURE_RESOURCES)[number];

/** Seconds since the guest's boot in which tasks waited for the resource (Linux PSI). */
export interface PressureTotals {
  /** Some task waited. */
  readonly waitingSeconds: number | undefined;
  /** All tasks waited; undefined for cpu before Linux 5.13. */
  readonly stalledSeconds: number | undefined;
}

export type GuestPressure = Readonly<Partial<Record<PressureResource, PressureTotals>>>;

export interface GuestLoad {
  readonly load1: number | undefined;
  readonly load5: number | undefined;
  readonly load15: number | undefined;
}
