import type { CpuConfig, DiskConfig, DiskHost, DomainConfig } from '../inventory/domain-config.ts';

/** Kinds of changes that take effect at the domain's next full stop and start. */
export const CONFIG_CHANGES = ['machine_type', 'os', 'emulator', 'cpu', 'memory', 'disk'] as const;

export type ConfigChange = (typeof CONFIG_CHANGES)[number];

/**
 * Compares the persistent configuration with the one that the domain runs with.
 * Values that libvirt fills in at start, and differences that the two documents cannot decide, are no change.
 *
 * `resolveMachine` gives the canonical name of a machine alias of the domain's emulator, any other name as it is.
 */
export function pendingChanges(
  live: DomainConfig,
  persistent: DomainConfig,
  resolveMachine: (arch: string, machine: string) => string,
): Record<ConfigChange, boolean> {
  return {
    machine_type: machineDiffers(live, persistent, resolveMachine),
    os: live.declaredOs !== persistent.declaredOs,
    emulator: bothSetAndDiffer(live.emulator, persistent.emulator),
    cpu: cpuDiffers(live, persistent),
    memory: memoryDiffers(live, persistent),
    disk: disksDiffer(live.disks, persistent.disks),
  };
}

function machineDiffers(
  live: DomainConfig,
  persistent: DomainConfig,
  resolveMachine: (arch: string, machine: string) => string,
): boolean {
  if (live.machine === '' || persistent.machine === '') return false;
  const running = resolveMachine(live.arch, live.machine);
  const wanted = resolveMachine(persistent.arch, persistent.machine);
  return running !== wanted && !mayBeAliasOf(running, wanted) && !mayBeAliasOf(wanted, running);
}

const ALIAS_FAMILIES: ReadonlyMap<string, string> = new Map([
  ['pc', 'pc-i440fx-'],
  ['q35', 'pc-q35-'],
  ['ubuntu', 'pc-i440fx-'],
  ['ubuntu-q35', 'pc-q35-'],
  ['virt', 'virt-'],
  ['pseries', 'pseries-'],
  ['s390-ccw-virtio', 's390-ccw-virtio-'],
]);

/** An alias that could not be resolved and a type of the same family may be the same machine. */
function mayBeAliasOf(alias: string, machine: string): boolean {
  const family = ALIAS_FAMILIES.get(alias);
  return family !== undefined && machine.startsWith(family);
}

/** libvirt fills in a setting that is absent on one side. */
function bothSetAndDiffer<T>(live: T | undefined, persistent: T | undefined): boolean {
  return live !== undefined && persistent !== undefined && live !== persistent;
}

function cpuDiffers(live: DomainConfig, persistent: DomainConfig): boolean {
  return (
    bothSetAndDiffer(live.cpu.maximum, persistent.cpu.maximum) ||
    bothSetAndDiffer(live.cpu.current, persistent.cpu.current) ||
    topologyDiffers(live.cpu, persistent.cpu) ||
    modelDiffers(live.cpu, persistent.cpu, live.arch)
  );
}

/** libvirt never fills in a topology, so a topology on one side only is a change. */
function topologyDiffers(live: CpuConfig, persistent: CpuConfig): boolean {
  const line = ({ topology }: CpuConfig) =>
    topology &&
    [topology.sockets, topology.dies, topology.clusters, topology.cores, topology.threads].join(':');
  return line(live) !== line(persistent);
}

function modelDiffers(live: CpuConfig, persistent: CpuConfig, arch: string): boolean {
  const running = effectiveMode(live);
  const wanted = effectiveMode(persistent);
  if (wanted === undefined) return isNotDefaultCpu(live, running, arch);
  if (wanted === 'host-model') return isNotHostModel(live, running, arch);
  if (running === undefined || running !== wanted) return running !== undefined;
  // With match minimum libvirt adds the host's features, and the model may become the host's.
  if (wanted !== 'custom' || persistent.match === 'minimum') return false;
  return bothSetAndDiffer(unversioned(live.model), unversioned(persistent.model));
}

/** `<cpu>` without a model (a topology alone, for example) means the hypervisor's default, as no `<cpu>` does. */
function effectiveMode(cpu: CpuConfig): string | undefined {
  return cpu.mode === undefined || cpu.mode === 'custom'
    ? cpu.model === undefined
      ? undefined
      : 'custom'
    : cpu.mode;
}

const X86_DEFAULT_MODELS = /^(?:qemu|kvm)(?:32|64)$/;

/**
 * Without a CPU in the persistent configuration the hypervisor's default should run, which libvirt writes into the live
 * configuration. On x86 the default is one of four models; elsewhere it depends on the machine and is not compared.
 */
function isNotDefaultCpu(live: CpuConfig, running: string | undefined, arch: string): boolean {
  if (running === undefined || !isX86(arch)) return false;
  return running !== 'custom' || !X86_DEFAULT_MODELS.test(unversioned(live.model) ?? '');
}

/**
 * libvirt runs host-model as a custom model that matches the host, and on x86 writes the vendor beside the model
 * (seen in 9.0 and 12.8). A user's custom model has no vendor unless the user wrote one.
 */
function isNotHostModel(live: CpuConfig, running: string | undefined, arch: string): boolean {
  if (running === 'custom') return isX86(arch) && live.vendor === undefined;
  return running !== undefined && running !== 'host-model';
}

function isX86(arch: string): boolean {
  return arch === 'x86_64' || arch === 'i686';
}

/** QEMU's `Skylake-Client` and `Skylake-Client-v1` are one model; the versions after v1 are other models. */
function unversioned(model: string | undefined): string | undefined {
  return model?.replace(/-v1$/, '');
}

/** Compares `<memory>` alone: the balloon moves `<currentMemory>` while the domain runs. */
function memoryDiffers(live: DomainConfig, persistent: DomainConfig): boolean {
  if (live.memoryBytes === undefined || persistent.memoryBytes === undefined) return false;
  const added = live.memoryBytes - persistent.memoryBytes;
  return added < 0 || added >= persistent.memoryRoundingBytes;
}

function disksDiffer(live: readonly DiskConfig[], persistent: readonly DiskConfig[]): boolean {
  const running = new Map(live.map((disk) => [disk.target, disk]));
  const wanted = new Set(persistent.map((disk) => disk.target));
  return (
    live.some((disk) => !wanted.has(disk.target)) ||
    persistent.some((disk) => {
      const now = running.get(disk.target);
      return now === undefined ? !disk.optional : diskDiffers(now, disk);
    })
  );
}

function diskDiffers(live: DiskConfig, persistent: DiskConfig): boolean {
  return (
    live.device !== persistent.device ||
    live.bus !== persistent.bus ||
    cacheDiffers(live, persistent) ||
    live.io !== persistent.io ||
    sourceDiffers(live, persistent)
  );
}

function cacheDiffers(live: DiskConfig, persistent: DiskConfig): boolean {
  // qemuDomainPrepareDiskCachemode: a shareable disk without a cache mode starts with none.
  if (persistent.shareable && persistent.cache === undefined && live.cache === 'none') return false;
  return live.cache !== persistent.cache;
}

function sourceDiffers(live: DiskConfig, persistent: DiskConfig): boolean {
  // Media are changed while the domain runs, so no change of them waits for a stop.
  if (persistent.device === 'cdrom' || persistent.device === 'floppy') return false;
  if (live.type !== persistent.type) return live.type !== 'volume' && persistent.type !== 'volume';
  if (isOverlayOfTransient(live.source, persistent.source)) return false;
  return live.source !== persistent.source || !isSameHosts(live.hosts, persistent.hosts);
}

/** A disk with `<transient/>` runs on an overlay that libvirt names PATH.TRANSIENT-DOMAIN. */
function isOverlayOfTransient(live: string | undefined, persistent: string | undefined): boolean {
  return live !== undefined && persistent !== undefined && live.startsWith(`${persistent}.TRANSIENT-`);
}

/** The same servers in any order. libvirt fills in the default for a missing port at start. */
function isSameHosts(live: readonly DiskHost[], persistent: readonly DiskHost[]): boolean {
  const exact = (it: DiskHost) => live.some((host) => host.name === it.name && host.port === it.port);
  const inexact = persistent.filter((it) => !exact(it));
  const unmatched = live.filter(
    (it) => !persistent.some((host) => host.name === it.name && host.port === it.port),
  );
  return (
    unmatched.length === inexact.length &&
    unmatched.every((it) =>
      inexact.some((host) => host.name === it.name && (host.port === undefined || it.port === undefined)),
    )
  );
}
