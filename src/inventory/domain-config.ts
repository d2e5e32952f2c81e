import type { BootFiles } from './boot-files.ts';

/** The part of a domain XML document, live or persistent, that the exporter uses. Absent values are `undefined`. */
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
  readonly bootFiles: BootFiles;
  /** libosinfo id declared in the metadata, found by namespace URI. */
  readonly declaredOs: string | undefined;
  readonly cpu: CpuConfig;
  /** `<memory>`: the domain's memory at boot, memory devices included, in bytes. */
  readonly memoryBytes: number | undefined;
  /** libvirt rounds `memoryBytes` up at start, by less than this number of bytes. */
  readonly memoryRoundingBytes: number;
  readonly disks: readonly DiskConfig[];
  readonly interfaces: readonly InterfaceConfig[];
  /** `<controller type='scsi' model=…>` of each SCSI controller with a model. */
  readonly scsiControllers: readonly string[];
  /** `<features><hyperv>` has at least one enlightenment for Windows. */
  readonly hasHyperv: boolean;
  /** State of the guest agent's channel; undefined when none is configured. */
  readonly agentChannel: 'connected' | 'disconnected' | undefined;
  /** The domain's metadata turns probes of its guest off. */
  readonly guestProbeOff: boolean;
  /** Seconds between two reports of the balloon driver; 0 when reports are off, undefined without a balloon. */
  readonly balloonPeriodSeconds: number | undefined;
  /** OpenStack Nova's metadata; undefined for a domain that Nova does not manage. */
  readonly nova: NovaInstance | undefined;
  readonly hardware: HardwareConfig;
}

/**
 * Values that are only compared, live with persistent configuration. What libvirt chooses anew at each start (aliases,
 * addresses, ports, PCI controllers) is left out.
 */
export interface HardwareConfig {
  readonly cpuFeatures: CpuFeatures;
  /** `<features>`, by paths that begin with the feature's name. */
  readonly features: Settings;
  /** Of `<os>`: the attribute `firmware`, `<loader>`, `<nvram>`, and `<firmware>` as `feature/NAME`. */
  readonly firmware: Settings;
  /** Keyed by MAC address. */
  readonly interfaces: readonly DeviceConfig[];
  /** Keyed by type. */
  readonly graphics: readonly DeviceConfig[];
  readonly tpms: readonly DeviceConfig[];
  /** Keyed by type and index. */
  readonly controllers: readonly DeviceConfig[];
}

/**
 * The attributes and texts of an element by their paths, for example `model/@type` → `virtio`. A second element of the same
 * name has a number, `listen#2/@type`. An element without attributes, text and children has an empty text.
 */
export type Settings = ReadonlyMap<string, string>;

/** Policy by feature name: force, require, optional, disable, forbid. */
export type CpuFeatures = ReadonlyMap<string, string>;

export interface DeviceConfig {
  /** Identifies the device within its kind in both configurations. */
  readonly key: string;
  readonly settings: Settings;
}

export interface CpuConfig {
  /** `<cpu mode=…>`: custom, host-model, host-passthrough, maximum; undefined without a `<cpu>` or a mode. */
  readonly mode: string | undefined;
  readonly model: string | undefined;
  /** `<vendor>` text: written by libvirt when it expands host-model, seldom by people. */
  readonly vendor: string | undefined;
  /** `<cpu match=…>` of mode custom: exact, strict, minimum. */
  readonly match: string | undefined;
  /** `<cpu check=…>`: none, partial, full. What libvirt does when QEMU lacks a required feature. */
  readonly check: string | undefined;
  /** `<topology>`, when written. */
  readonly topology: CpuTopology | undefined;
  /** `<vcpu>` text: the maximum number of vCPUs. */
  readonly maximum: number | undefined;
  /** `<vcpu current=…>`, or the maximum. */
  readonly current: number | undefined;
}

/** Levels that are not written count as 1, as in libvirt. */
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
  /** `<alias name=…>`: the name of the disk in libvirt's events; only running domains have one for each disk. */
  readonly alias: string | undefined;
  /** disk, cdrom, floppy or lun. */
  readonly device: string;
  /** `<disk type=…>`: file, block, network, volume, … */
  readonly type: string;
  /** One line that identifies the image or device: path, pool/volume, protocol and name. Undefined when empty. */
  readonly source: string | undefined;
  /** Servers of a network disk, in document order. */
  readonly hosts: readonly DiskHost[];
  readonly bus: string | undefined;
  /** Undefined for the hypervisor's default, written out or not. */
  readonly cache: string | undefined;
  /** Undefined for the hypervisor's default, written out or not. */
  readonly io: string | undefined;
  /** Several domains may write to the disk. Unless a cache mode is set, libvirt starts such a disk with cache none. */
  readonly shareable: boolean;
  /** libvirt may start the domain without this disk when its source is missing (`startupPolicy`). */
  readonly optional: boolean;
  /** `<driver name=…>`, for example qemu. */
  readonly driver: string | undefined;
  /** `<driver type=…>`: raw, qcow2, … */
  readonly format: string | undefined;
  readonly discard: string | undefined;
  /** Protocol of a network disk: rbd, nbd, iscsi, … */
  readonly protocol: string | undefined;
  readonly serial: string | undefined;
  /** Images under the disk's own, 0 for none; known only of a domain that runs. */
  readonly backingImages: number | undefined;
  /** The limits that `<iotune>` sets: the element's name (`read_bytes_sec`, …) and its value. */
  readonly ioTune: ReadonlyMap<string, number>;
  /** `<group_name>` of `<iotune>`: the disks of a group share its limits. */
  readonly throttleGroup: string | undefined;
}

export interface DiskHost {
  /** Host name or address; the path of a unix socket. */
  readonly name: string;
  readonly port: string | undefined;
}

export interface InterfaceConfig {
  /** `<target dev=…>`: the name on the host; undefined for SR-IOV, and until libvirt assigns one. */
  readonly target: string | undefined;
  /** `<alias name=…>`, which only running domains have. */
  readonly alias: string | undefined;
  /** `<interface type=…>`: network, bridge, direct, hostdev, user, … */
  readonly type: string;
  /** Network, bridge or device that the interface is attached to. */
  readonly source: string | undefined;
  readonly model: string | undefined;
  readonly mac: string | undefined;
  /** `<mtu size=…>` in bytes, as written. */
  readonly mtu: string | undefined;
  /** `interfaceid` of `<virtualport>`: the port of Open vSwitch, and so of Neutron. */
  readonly interfaceId: string | undefined;
}

/** Nova's metadata of an instance; absent values are undefined. */
export interface NovaInstance {
  readonly name: string | undefined;
  readonly flavor: string | undefined;
  readonly user: NovaName;
  readonly project: NovaName;
  readonly root: NovaRoot;
}

/** The image or volume of the instance's root disk. */
interface NovaRoot {
  /** `image` or `volume`. */
  readonly type: string | undefined;
  readonly id: string | undefined;
}

export interface NovaName {
  readonly id: string | undefined;
  readonly name: string | undefined;
}
