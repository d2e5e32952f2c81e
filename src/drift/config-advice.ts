import type { GuestOs } from '../guest/guest-sample.ts';
import type { DiskConfig, DomainConfig, InterfaceConfig } from '../inventory/domain-config.ts';

/** Settings that make a guest slow, or leave its values unseen. */
export const CONFIG_ADVICE = [
  'nic_not_virtio',
  'disk_not_virtio',
  'cache_writethrough',
  'cpu_model_generic',
  'windows_without_hyperv',
  'no_balloon',
  'no_agent_channel',
] as const;

export type ConfigAdvice = (typeof CONFIG_ADVICE)[number];

/** Buses whose guest driver is virtio's; `scsi` is by its controllers. */
const VIRTIO_BUSES: ReadonlySet<string> = new Set(['virtio']);
/** libvirt's names of virtio's SCSI controllers, for PCI of both generations. */
const VIRTIO_SCSI = /^virtio-(?:scsi|transitional|non-transitional)$/;
/** `virtio`, `virtio-transitional`, `virtio-non-transitional`, `virtio-net-pci` of old QEMUs. */
const VIRTIO_NIC = /^virtio(?:$|-)/;
/** Cache modes with which each write of the guest waits for the disk. */
const WRITE_THROUGH: ReadonlySet<string> = new Set(['writethrough', 'directsync']);
/** QEMU's models of no real processor: they have none of the instructions for encryption, checksums or copies. */
const GENERIC_CPUS: ReadonlySet<string> = new Set([
  'qemu64',
  'qemu32',
  'kvm64',
  'kvm32',
  'cpu64-rhel5',
  'cpu64-rhel6',
]);
const X86: ReadonlySet<string> = new Set(['x86_64', 'i686']);
const WINDOWS_ID = /^http:\/\/microsoft\.com\/win\//;

/** Returns what applies to a hardware-virtualized domain, in the order of {@link CONFIG_ADVICE}; nothing for others. */
export function configAdvice(config: DomainConfig, detected: GuestOs | undefined): readonly ConfigAdvice[] {
  if (config.osType !== 'hvm') return [];
  const applies: Readonly<Record<ConfigAdvice, boolean>> = {
    nic_not_virtio: config.interfaces.some(isEmulatedNic),
    disk_not_virtio: config.disks.some((disk) => isDisk(disk) && isEmulatedBus(disk, config)),
    cache_writethrough: config.disks.some((disk) => isDisk(disk) && WRITE_THROUGH.has(disk.cache ?? '')),
    cpu_model_generic: hasGenericCpu(config),
    windows_without_hyperv: isWindows(config, detected) && !config.hasHyperv,
    no_balloon: config.balloonPeriodSeconds === undefined,
    no_agent_channel: config.agentChannel === undefined,
  };
  return CONFIG_ADVICE.filter((advice) => applies[advice]);
}

/** An interface that is a part of a device of the host has no model. */
function isEmulatedNic({ model }: InterfaceConfig): boolean {
  return model !== undefined && !VIRTIO_NIC.test(model);
}

/** CD-ROM and floppy drives have no fast bus. */
function isDisk({ device }: DiskConfig): boolean {
  return device === 'disk' || device === 'lun';
}

function isEmulatedBus({ bus }: DiskConfig, { scsiControllers }: DomainConfig): boolean {
  if (bus === undefined || VIRTIO_BUSES.has(bus)) return false;
  if (bus !== 'scsi') return true;
  // libvirt adds a controller with a model to each domain with such a disk.
  return scsiControllers.length > 0 && !scsiControllers.some((model) => VIRTIO_SCSI.test(model));
}

/** Without hardware virtualization QEMU's own model is as fast as any. */
function hasGenericCpu({ type, arch, cpu }: DomainConfig): boolean {
  if (type !== 'kvm' || !X86.has(arch)) return false;
  if (cpu.mode !== undefined && cpu.mode !== 'custom') return false;
  // QEMU's default is qemu64.
  return cpu.model === undefined || GENERIC_CPUS.has(cpu.model);
}

/** The system that runs decides, where the guest's agent has named one. */
function isWindows({ declaredOs }: DomainConfig, detected: GuestOs | undefined): boolean {
  return detected?.id === undefined ? WINDOWS_ID.test(declaredOs ?? '') : detected.id === 'mswindows';
}
