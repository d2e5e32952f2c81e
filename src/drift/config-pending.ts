import type { DomainConfig } from '../inventory/domain-config.ts';
import { cpuDiffers } from './pending-cpu.ts';
import { disksDiffer } from './pending-disks.ts';
import { firmwareDiffers } from './pending-firmware.ts';
import {
  controllersDiffer,
  featuresDiffer,
  graphicsDiffer,
  type HardwarePair,
  interfacesDiffer,
  tpmsDiffer,
} from './pending-hardware.ts';
import { type IsSameFile, isSamePath } from './same-path.ts';

/** Kinds of changes that take effect at the domain's next full stop and start. */
export const CONFIG_CHANGES = [
  'machine_type',
  'os',
  'emulator',
  'cpu',
  'memory',
  'disk',
  'interface',
  'graphics',
  'firmware',
  'features',
  'tpm',
  'controller',
] as const;

export type ConfigChange = (typeof CONFIG_CHANGES)[number];

export interface PendingContext {
  /** Canonical name of a machine alias of the domain's emulator; any other name as it is. */
  readonly resolveMachine: (arch: string, machine: string) => string;
  /** Whether two different paths on the host are one file; by default they are if they differ in `//` and the like only. */
  readonly isSameFile?: IsSameFile;
  /**
   * The persistent configuration at the beginning of the run, or when the exporter first read it in this run. It decides
   * what the other two cannot: whether a setting that only runs was filled in by libvirt or has been removed since.
   */
  readonly atStart?: DomainConfig | undefined;
}

/**
 * Compares the persistent configuration with the one that the domain runs with. Values that libvirt fills in at start, two
 * ways to write one meaning, and differences that the documents cannot decide are no change.
 */
export function pendingChanges(
  live: DomainConfig,
  persistent: DomainConfig,
  { resolveMachine, isSameFile, atStart }: PendingContext,
): Record<ConfigChange, boolean> {
  const isSame: IsSameFile = (a, b) => isSamePath(a, b) || isSameFile?.(a, b) === true;
  const hardware: HardwarePair = {
    live: live.hardware,
    persistent: persistent.hardware,
    atStart: atStart?.hardware,
  };
  return {
    machine_type: machineDiffers(live, persistent, resolveMachine),
    os: live.declaredOs !== persistent.declaredOs,
    emulator: emulatorDiffers(live.emulator, persistent.emulator, isSame),
    cpu: cpuDiffers(live, persistent, atStart),
    memory: memoryDiffers(live, persistent),
    disk: disksDiffer(live, persistent, isSame),
    interface: interfacesDiffer(hardware, isSame),
    graphics: graphicsDiffer(hardware, isSame),
    firmware: firmwareDiffers(hardware, isSame),
    features: featuresDiffer(hardware),
    tpm: tpmsDiffer(hardware, isSame),
    controller: controllersDiffer(live, persistent, atStart?.hardware),
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

/** libvirt fills in the default emulator where none is written. */
function emulatorDiffers(
  live: string | undefined,
  persistent: string | undefined,
  isSame: IsSameFile,
): boolean {
  if (live === undefined || persistent === undefined || live === persistent) return false;
  return !isSame(live, persistent);
}

/** Compares `<memory>` alone: the balloon moves `<currentMemory>` while the domain runs. */
function memoryDiffers(live: DomainConfig, persistent: DomainConfig): boolean {
  if (live.memoryBytes === undefined || persistent.memoryBytes === undefined) return false;
  const added = live.memoryBytes - persistent.memoryBytes;
  return added < 0 || added >= persistent.memoryRoundingBytes;
}
