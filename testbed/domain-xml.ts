import { CONSOLE_DIR, DISK_DIR } from './paths.ts';

/** The name of every domain that the rig defines begins with this. */
export const RIG_PREFIX = 'rig-';
/** The mark of the rig's domains: metadata of this XML namespace. Clean-up removes domains that have the name and the mark. */
export const RIG_NAMESPACE = 'https://github.com/libvirt-drift-exporter/ns/rig/1.0';

export const AGENT_CHANNEL = 'org.qemu.guest_agent.0';

interface DirectBoot {
  readonly kernel: string;
  readonly initrd: string;
  readonly cmdline: string;
}

interface GuestDisk {
  readonly sizeMiB: number;
  /** Throttles the disk: `<iotune><total_bytes_sec>`. */
  readonly totalBytesPerSec?: number;
  /** The first bytes of the disk, such as a boot sector. */
  readonly content?: Uint8Array;
  /** QEMU's cache mode; libvirt's default when left out. */
  readonly cache?: string;
}

export interface GuestSpec {
  /** Begins with RIG_PREFIX. */
  readonly name: string;
  /** A machine type or an alias, such as `q35`; libvirt resolves it when it defines the domain. */
  readonly machine: string;
  readonly memoryMiB: number;
  readonly vcpus: number;
  /** vCPUs can be plugged in up to this number; `vcpus` when left out. */
  readonly maximumVcpus?: number;
  /** The kernel to boot; the guest boots from its disk when left out. */
  readonly boot?: DirectBoot;
  readonly disk?: GuestDisk | undefined;
  /** Whether the guest agent's channel is configured. */
  readonly agentChannel?: boolean;
  readonly balloonPeriodSeconds?: number;
  /** libosinfo id that the domain declares, e.g. `http://ubuntu.com/ubuntu/18.04`. */
  readonly declaredOs?: string | undefined;
  /** A virtio interface on QEMU's built-in user network, which needs nothing from the host. */
  readonly userNetwork?: boolean;
  /** `qemu` (emulation) when left out: `kvm` inside another virtual machine can be far slower. */
  readonly virtType?: 'qemu' | 'kvm';
  /** XML put inside `<metadata>`, `<devices>` and `<domain>` as it is. */
  readonly extraMetadataXml?: string;
  readonly extraDevicesXml?: string;
  readonly extraDomainXml?: string;
}

export const diskPath = (name: string): string => `${DISK_DIR}/${name}.img`;
export const consolePath = (name: string): string => `${CONSOLE_DIR}/${name}.log`;

/**
 * The XML of a domain, as little of it as libvirt 7 to 12 need. The uuid is needed to redefine a domain.
 */
export function domainXml(spec: GuestSpec, uuid?: string): string {
  return `<domain type='${spec.virtType ?? 'qemu'}'>
  <name>${escapeXml(spec.name)}</name>
  ${uuid === undefined ? '' : `<uuid>${uuid}</uuid>`}
  <memory unit='MiB'>${spec.memoryMiB}</memory>
  <vcpu current='${spec.vcpus}'>${spec.maximumVcpus ?? spec.vcpus}</vcpu>
  <metadata>
    <rig:guest xmlns:rig='${RIG_NAMESPACE}'/>
    ${declaredOsXml(spec.declaredOs)}
    ${spec.extraMetadataXml ?? ''}
  </metadata>
  <os>
    <type arch='x86_64' machine='${escapeXml(spec.machine)}'>hvm</type>
    ${bootXml(spec.boot)}
  </os>
  <features><acpi/></features>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <controller type='usb' model='none'/>
    ${diskXml(spec)}
    ${spec.userNetwork === true ? USER_NETWORK : ''}
    ${spec.agentChannel === true ? AGENT : ''}
    <serial type='file'><source path='${escapeXml(consolePath(spec.name))}'/></serial>
    ${balloonXml(spec.balloonPeriodSeconds)}
    ${spec.extraDevicesXml ?? ''}
  </devices>
  ${spec.extraDomainXml ?? ''}
</domain>
`;
}

const AGENT = `<channel type='unix'><target type='virtio' name='${AGENT_CHANNEL}'/></channel>`;
// No boot ROM: its file is in a package that the rig does not need.
const USER_NETWORK = "<interface type='user'><model type='virtio'/><rom enabled='no'/></interface>";

function declaredOsXml(id: string | undefined): string {
  if (id === undefined) return '';
  return `<libosinfo:libosinfo xmlns:libosinfo='http://libosinfo.org/xmlns/libvirt/domain/1.0'>
      <libosinfo:os id='${escapeXml(id)}'/>
    </libosinfo:libosinfo>`;
}

function bootXml(boot: DirectBoot | undefined): string {
  if (boot === undefined) return "<boot dev='hd'/>";
  return `<kernel>${escapeXml(boot.kernel)}</kernel>
    <initrd>${escapeXml(boot.initrd)}</initrd>
    <cmdline>${escapeXml(boot.cmdline)}</cmdline>`;
}

function diskXml({ name, disk }: GuestSpec): string {
  if (disk === undefined) return '';
  const cache = disk.cache === undefined ? '' : ` cache='${escapeXml(disk.cache)}'`;
  const limit =
    disk.totalBytesPerSec === undefined
      ? ''
      : `<iotune><total_bytes_sec>${disk.totalBytesPerSec}</total_bytes_sec></iotune>`;
  return `<disk type='file' device='disk'>
      <driver name='qemu' type='raw'${cache}/>
      <source file='${escapeXml(diskPath(name))}'/>
      <target dev='vda' bus='virtio'/>
      ${limit}
    </disk>`;
}

function balloonXml(period: number | undefined): string {
  const stats = period === undefined ? '' : `<stats period='${period}'/>`;
  return `<memballoon model='virtio'>${stats}</memballoon>`;
}

function escapeXml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll("'", '&apos;')
    .replaceAll('"', '&quot;');
}
