import type { GuestSpec } from './domain-xml.ts';
import { buildGuestImage } from './guest-image.ts';

/** The names of the files in guest/os-release. */
type GuestOs =
  | 'ubuntu-16.04'
  | 'ubuntu-18.04'
  | 'ubuntu-20.04'
  | 'ubuntu-22.04'
  | 'ubuntu-24.04'
  | 'debian-11'
  | 'debian-12'
  | 'rocky-9.4';

/**
 * - `qemu-ga`: the real agent, nothing blocked
 * - `none`: the channel exists, and no agent opens it
 * - `silent`: opens the channel and never answers; for many of them see `silentGuest`
 * - `filtered`: the real agent with file and exec commands blocked, as Red Hat's distributions have it
 * - `old`: the real agent without guest-get-cpustats and guest-get-load
 * - `hostile`: answers guest-sync correctly and other commands wrongly, see HostileMode
 */
type AgentMode = 'qemu-ga' | 'none' | 'silent' | 'filtered' | 'old' | 'hostile';

/**
 * - `wrong-shapes`: arrays for objects, text for numbers, no keys, numbers below 0 and beyond 2^63
 * - `huge`: 100,000 processors in 3.7 MB, names of a million characters, files of millions of bytes
 * - `oversized`: guest-get-cpustats answers with more than libvirt passes on to its clients
 * - `overflow`: guest-get-cpustats answers with more than libvirt reads from an agent
 * - `labels`: text that breaks out of a label's quotes, different at each call
 * - `endless-file`: every file can be opened and none ever ends
 * - `frozen`: file systems frozen as during a backup, until guest-fsfreeze-thaw
 * - `flapping`: well-formed; counters decrease, and boot time, swap, processors and OS change at each call
 * - `broken-json`: guest-get-osinfo answers with a line that is not JSON
 * - `late`: guest-file-read takes 15 seconds, and other commands wait behind it
 */
type HostileMode =
  | 'wrong-shapes'
  | 'huge'
  | 'oversized'
  | 'overflow'
  | 'labels'
  | 'endless-file'
  | 'frozen'
  | 'flapping'
  | 'broken-json'
  | 'late';

type SwapMode = 'none' | 'idle' | 'thrash';

export interface LinuxGuestOptions {
  readonly name: string;
  /** The OS that the guest reports. */
  readonly os: GuestOs;
  /** The OS that the domain declares, a libosinfo id; none when left out. */
  readonly declaredOs?: string;
  readonly machine?: string;
  readonly memoryMiB?: number;
  readonly vcpus?: number;
  readonly agent?: AgentMode;
  /** What a hostile agent does; `wrong-shapes` when left out. */
  readonly hostile?: HostileMode;
  /** Logs the real agent's requests for `agentRequests`. `silent` and `hostile` always log theirs. */
  readonly logAgentRequests?: boolean;
  /** Whether the domain has the agent's channel at all. */
  readonly agentChannel?: boolean;
  readonly swap?: SwapMode;
  readonly swapMiB?: number;
  /** Makes a file system on the disk, mounted on /data, which can be frozen. The disk holds a file system or swap. */
  readonly dataDisk?: boolean;
  /** Throttles the disk. */
  readonly diskBytesPerSec?: number;
  readonly balloonPeriodSeconds?: number;
  readonly kubelet?: boolean;
  readonly extraMetadataXml?: string;
  readonly extraDevicesXml?: string;
  readonly extraDomainXml?: string;
}

/** A guest with a real kernel and a real agent. Builds the guest image when there is none. */
export async function linuxGuest(options: LinuxGuestOptions): Promise<GuestSpec> {
  const swap = options.swap ?? 'none';
  if (options.dataDisk === true && swap !== 'none') {
    throw new Error(`${options.name}: there is one disk, for swap or for a file system`);
  }
  const image = await buildGuestImage();
  return {
    name: options.name,
    machine: options.machine ?? 'q35',
    memoryMiB: options.memoryMiB ?? 160,
    vcpus: options.vcpus ?? 1,
    boot: { kernel: image.kernel, initrd: image.initrd, cmdline: commandLine(options) },
    disk: {
      sizeMiB: swap === 'none' ? 16 : (options.swapMiB ?? 256),
      ...(options.diskBytesPerSec === undefined ? {} : { totalBytesPerSec: options.diskBytesPerSec }),
    },
    agentChannel: options.agentChannel ?? true,
    userNetwork: true,
    ...optional('declaredOs', options.declaredOs),
    ...optional('balloonPeriodSeconds', options.balloonPeriodSeconds),
    ...optional('extraMetadataXml', options.extraMetadataXml),
    ...optional('extraDevicesXml', options.extraDevicesXml),
    ...optional('extraDomainXml', options.extraDomainXml),
  };
}

function commandLine(options: LinuxGuestOptions): string {
  return [
    'console=ttyS0 quiet panic=-1 mitigations=off psi=1',
    // ramfs is never swapped out: the agent of a guest that thrashes must still run.
    'rootfstype=ramfs',
    `rig.os=${options.os}`,
    `rig.hostname=${options.name}`,
    `rig.swap=${options.swap ?? 'none'}`,
    `rig.agent=${options.agent ?? 'qemu-ga'}`,
    ...(options.agent === 'hostile' ? [`rig.hostile=${options.hostile ?? 'wrong-shapes'}`] : []),
    `rig.agent-log=${options.logAgentRequests === true ? 1 : 0}`,
    `rig.data=${options.dataDisk === true ? 1 : 0}`,
    `rig.kubelet=${options.kubelet === true ? 1 : 0}`,
  ].join(' ');
}

function optional<K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> {
  return value === undefined ? {} : ({ [key]: value } as Record<K, V>);
}
