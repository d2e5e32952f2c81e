import type { DomainConfig } from '../../../src/inventory/domain-config.ts';
import { parseDomainXml } from '../../../src/inventory/domain-xml.ts';
import type { TypedValue } from '../../../src/libvirt/types.ts';
import { parseDomainStats } from '../../../src/stats/domain-stats.ts';
import type { MeasuredDomain } from '../../../src/stats/stats-reader.ts';
import type { StoragePool } from '../../../src/stats/storage-pools.ts';

/** When the balloon of the fixed inventory was heard last, Unix time. */
export const UPDATED = 1_790_009_001;

export function measured(
  params: readonly (readonly [string, TypedValue])[],
  changes: Partial<MeasuredDomain> = {},
): MeasuredDomain {
  return {
    stats: parseDomainStats(new Map(params)),
    readAtSeconds: UPDATED + 0.125,
    complete: true,
    cpu: undefined,
    diskErrors: undefined,
    job: 'none',
    blockJobs: new Map(),
    ...changes,
  };
}

export const THRASHING_MEASURED = measured(
  [
    ['balloon.current', 184_320],
    ['balloon.maximum', 184_320],
    ['balloon.swap_in', 4_096],
    ['balloon.swap_out', 8_192],
    ['balloon.major_fault', 12],
    ['balloon.minor_fault', 3_400],
    ['balloon.hugetlb_pgalloc', 3],
    ['balloon.hugetlb_pgfail', 1],
    ['balloon.unused', 100],
    ['balloon.available', 175_000],
    ['balloon.usable', 150_000],
    ['balloon.last-update', UPDATED],
    ['balloon.rss', 250_000],
    ['vcpu.current', 2],
    ['vcpu.maximum', 4],
    ['vcpu.0.state', 1],
    ['vcpu.0.time', 12_500_000_000],
    ['vcpu.0.wait', 1_000_000],
    ['vcpu.0.delay', 2_000_000],
    // The numbers have a gap: vCPU 1 was unplugged.
    ['vcpu.2.state', 2],
    ['vcpu.2.time', 500_000_000],
    ['net.count', 1],
    ['net.0.name', 'vnet7'],
    ['net.0.rx.bytes', 1_000],
    ['net.0.rx.pkts', 10],
    ['net.0.rx.errs', 1],
    ['net.0.rx.drop', 2],
    ['net.0.tx.bytes', 2_000],
    ['net.0.tx.pkts', 20],
    ['net.0.tx.errs', 0],
    ['net.0.tx.drop', 0],
    ['block.count', 1],
    ['block.0.name', 'vda'],
    ['block.0.path', '/var/lib/libvirt/images/vm.img'],
    ['block.0.backingIndex', 1],
    ['block.0.rd.reqs', 100],
    ['block.0.rd.bytes', 409_600],
    ['block.0.rd.times', 1_500_000_000],
    ['block.0.wr.reqs', 50],
    ['block.0.wr.bytes', 204_800],
    ['block.0.wr.times', 750_000_000],
    ['block.0.fl.reqs', 5],
    ['block.0.fl.times', 10_000_000],
    ['block.0.allocation', 1_048_576],
    ['block.0.capacity', 10_737_418_240],
    ['block.0.physical', 2_097_152],
  ],
  { cpu: { total: 13.25, user: 12, system: 1.25 }, blockJobs: new Map([['vda', 'copy']]) },
);

/** More than libvirt allows at once, so that each is seen. */
function everyLimit(): string {
  const kinds = ['total', 'read', 'write'].flatMap((way) => [`${way}_bytes_sec`, `${way}_iops_sec`]);
  const names = [
    ...kinds,
    ...kinds.flatMap((name) => [`${name}_max`, `${name}_max_length`]),
    'size_iops_sec',
  ];
  return names.map((name, index) => `<${name}>${1000 + index}</${name}>`).join('');
}

const ODD = parseDomainXml(`<domain type='kvm'>
  <metadata xmlns:n='http://openstack.org/xmlns/libvirt/nova/1.1'><n:instance>
    <n:name>web "1"</n:name><n:flavor name='m1.small'/>
    <n:owner><n:user uuid='u-1'>alice</n:user><n:project uuid='p-1'>shop</n:project></n:owner>
    <n:root type='image' uuid='i-1'/>
  </n:instance></metadata>
  <vcpu current='1'>4</vcpu>
  <devices>
    <disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>
    <disk type='network'><driver name='qemu' type='raw' cache='writeback' discard='unmap' io='io_uring'/>
      <source protocol='rbd' name='pool/image'/><target dev='vda' bus='virtio'/><serial>S-1</serial>
      <iotune><read_bytes_sec>0</read_bytes_sec>${everyLimit()}</iotune></disk>
    <interface type='hostdev'><mac address='52:54:00:00:00:01'/><alias name='hostdev0'/></interface>
    <interface type='hostdev'><mac address='52:54:00:00:00:02'/></interface>
    <interface type='bridge'><source bridge='br0'/><target dev='vnet1'/><model type='virtio'/><mtu size='9000'/>
      <virtualport type='openvswitch'><parameters interfaceid='port-1'/></virtualport></interface>
    <interface type='network'><source network='default'/><target dev='vnet1'/></interface>
  </devices></domain>`);

/** A CD-ROM drive without a medium, interfaces without a name on the host, two of one name. */
export const ODD_DEVICES: Partial<DomainConfig> = {
  disks: ODD.disks,
  interfaces: ODD.interfaces,
  nova: ODD.nova,
  cpu: ODD.cpu,
};

export const ODD_MEASURED = measured(
  [
    ['net.count', 4],
    ['net.2.name', 'vnet1'],
    ['net.2.rx.bytes', 1],
    ['net.3.name', 'vnet1'],
    ['net.3.rx.bytes', 2],
    ['block.count', 2],
    ['block.0.name', 'sda'],
    ['block.0.rd.reqs', 0],
    ['block.1.name', 'vda'],
    ['block.1.rd.reqs', 1],
    // What libvirt writes for "unknown".
    ['block.1.physical', 2n ** 64n - 1n],
  ],
  { cpu: { total: 0.5, user: undefined, system: undefined } },
);

/** What libvirt returns for a domain whose QEMU does not answer its monitor. */
export const BUSY_MEASURED = measured(
  [
    ['balloon.current', 1_024],
    ['balloon.maximum', 1_024],
    ['block.count', 1],
    ['block.0.name', 'vda'],
  ],
  { readAtSeconds: undefined, complete: false, job: undefined },
);

export const MIGRATING_MEASURED = measured([], {
  job: {
    params: new Map<string, TypedValue>([
      ['operation', 5],
      ['time_elapsed', 1_500],
      ['time_remaining', 3_000],
      ['data_total', 1_000],
      ['data_processed', 400],
      ['data_remaining', 600],
      ['memory_total', 900],
      ['disk_total', 100],
    ]),
  },
});

export const SHUT_OFF_MEASURED = measured(
  [
    ['balloon.maximum', 1_048_576],
    ['block.0.name', 'vda'],
    ['block.0.path', '/var/lib/libvirt/images/vm.img'],
    ['block.0.allocation', 200_704],
    ['block.0.capacity', 67_108_864],
    ['block.0.physical', 196_616],
  ],
  { complete: undefined, job: undefined, blockJobs: undefined },
);

export const POOLS: readonly StoragePool[] = [
  { name: 'default', state: 2, capacity: 1_000_000, allocation: 400_000, available: 600_000 },
  { name: 'off', state: 0, capacity: 0, allocation: 0, available: 0 },
];
