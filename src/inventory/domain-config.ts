/** What this exporter needs of one domain XML document, live or persistent. Absent values are `undefined`. */
export interface DomainConfig {
  /** `<domain type=…>`: kvm, qemu, xen, … */
  readonly type: string;
  /** `<os><type arch=…>`, for example x86_64. */
  readonly arch: string;
  /** `<os><type>` text, for example hvm. */
  readonly osType: string;
  /** `<os><type machine=…>` as written: canonical name or alias. */
  readonly machine: string;
  /** `<devices><emulator>` path. */
  readonly emulator: string | undefined;
  /** libosinfo id declared in the metadata, found by namespace URI. */
  readonly declaredOs: string | undefined;
  readonly cpu: CpuConfig;
  /** `<memory>` (the most the domain can have) in bytes. */
  readonly memoryBytes: number | undefined;
  readonly disks: readonly DiskConfig[];
}

export interface CpuConfig {
  /** `<cpu mode=…>`: custom, host-model, host-passthrough, maximum; undefined without a `<cpu>`. */
  readonly mode: string | undefined;
  readonly model: string | undefined;
  /** sockets, cores and threads of `<topology>`, when written. */
  readonly topology: CpuTopology | undefined;
  /** `<vcpu>` text: the most vCPUs the domain can have. */
  readonly maximum: number | undefined;
  /** `<vcpu current=…>`, or the maximum. */
  readonly current: number | undefined;
}

export interface CpuTopology {
  readonly sockets: number;
  readonly cores: number;
  readonly threads: number;
}

export interface DiskConfig {
  /** `<target dev=…>`, unique within a domain. */
  readonly target: string;
  /** disk, cdrom, floppy or lun. */
  readonly device: string;
  /** `<disk type=…>`: file, block, network, volume, … */
  readonly type: string;
  /** One line that identifies what the disk reads: path, pool/volume, protocol and name. Undefined when empty. */
  readonly source: string | undefined;
  readonly bus: string | undefined;
  readonly cache: string | undefined;
  readonly io: string | undefined;
}
