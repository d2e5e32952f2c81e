/** What this exporter needs of one domain XML document, live or persistent. Absent values are `undefined`. */
export interface DomainConfig {
  /** `<domain type=…>`: kvm, qemu, xen, … */
  readonly type: string;
  /** `<os><type arch=…>`, for example x86_64. */
  readonly arch: string;
  /** `<os><type>` text, for example hvm. */
  readonly osType: string;
  /** `<os><type machine=…>` as written: canonical name or alias. Empty when not written. */
  readonly machine: string;
  /** `<devices><emulator>` path. */
  readonly emulator: string | undefined;
  /** libosinfo id declared in the metadata, found by namespace URI. */
  readonly declaredOs: string | undefined;
  readonly cpu: CpuConfig;
  /** `<memory>` (what the domain has at boot, memory devices included) in bytes. */
  readonly memoryBytes: number | undefined;
  /** How much more libvirt may make of it by rounding at start, in bytes, exclusive. */
  readonly memoryRoundingBytes: number;
  readonly disks: readonly DiskConfig[];
  readonly interfaces: readonly InterfaceConfig[];
  /** State of the guest agent's channel; undefined when none is configured. */
  readonly agentChannel: 'connected' | 'disconnected' | undefined;
  /** The owner wrote into the metadata that the guest is not to be asked. */
  readonly guestProbeOff: boolean;
  /** Seconds between the balloon driver's statistics; 0 when they are off, undefined without a balloon. */
  readonly balloonPeriodSeconds: number | undefined;
  /** What OpenStack Nova says of the instance; undefined when it is not Nova's. */
  readonly nova: NovaInstance | undefined;
}

export interface CpuConfig {
  /** `<cpu mode=…>`: custom, host-model, host-passthrough, maximum; undefined without a `<cpu>` or a mode. */
  readonly mode: string | undefined;
  readonly model: string | undefined;
  /** `<vendor>` text: written by libvirt when it expands host-model, seldom by people. */
  readonly vendor: string | undefined;
  /** `<cpu match=…>` of mode custom: exact, strict, minimum. */
  readonly match: string | undefined;
  /** `<topology>`, when written. */
  readonly topology: CpuTopology | undefined;
  /** `<vcpu>` text: the most vCPUs the domain can have. */
  readonly maximum: number | undefined;
  /** `<vcpu current=…>`, or the maximum. */
  readonly current: number | undefined;
}

/** Levels that are not written count as 1, as libvirt has it. */
export interface CpuTopology {
  readonly sockets: number;
  readonly dies: number;
  readonly clusters: number;
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
  /** Servers of a network disk, in document order. */
  readonly hosts: readonly DiskHost[];
  readonly bus: string | undefined;
  /** Undefined for the hypervisor's default, written out or not. */
  readonly cache: string | undefined;
  /** Undefined for the hypervisor's default, written out or not. */
  readonly io: string | undefined;
  /** Several domains may write to it; libvirt starts such a disk with cache none unless told otherwise. */
  readonly shareable: boolean;
  /** libvirt may start the domain without this disk when its source is missing (`startupPolicy`). */
  readonly optional: boolean;
  /** `<driver name=…>`, for example qemu. */
  readonly driver: string | undefined;
  /** `<driver type=…>`: raw, qcow2, … */
  readonly format: string | undefined;
  readonly discard: string | undefined;
  /** Of a network disk: rbd, nbd, iscsi, … */
  readonly protocol: string | undefined;
  readonly serial: string | undefined;
  /** What `<iotune>` lets through: its element's name (`read_bytes_sec`, …) and value; those that are set. */
  readonly ioTune: ReadonlyMap<string, number>;
}

export interface DiskHost {
  /** Host name or address; the path of a unix socket. */
  readonly name: string;
  readonly port: string | undefined;
}

export interface InterfaceConfig {
  /** `<target dev=…>`: the host's side; undefined where there is none (SR-IOV) and before libvirt gave one. */
  readonly target: string | undefined;
  /** `<alias name=…>`, which only running domains have. */
  readonly alias: string | undefined;
  /** `<interface type=…>`: network, bridge, direct, hostdev, user, … */
  readonly type: string;
  /** Network, bridge or device it is attached to. */
  readonly source: string | undefined;
  readonly model: string | undefined;
  readonly mac: string | undefined;
  /** `<mtu size=…>` in bytes, as written. */
  readonly mtu: string | undefined;
  /** `interfaceid` of `<virtualport>`: the port of Open vSwitch, and so of Neutron. */
  readonly interfaceId: string | undefined;
}

/** From Nova's metadata; undefined where it does not say. */
export interface NovaInstance {
  readonly name: string | undefined;
  readonly flavor: string | undefined;
  readonly user: NovaName;
  readonly project: NovaName;
  readonly root: NovaRoot;
}

/** What the instance's root disk was made of. */
export interface NovaRoot {
  /** image, or volume. */
  readonly type: string | undefined;
  readonly id: string | undefined;
}

export interface NovaName {
  readonly id: string | undefined;
  readonly name: string | undefined;
}
