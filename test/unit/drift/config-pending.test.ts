import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import {
  CONFIG_CHANGES,
  type ConfigChange,
  type PendingContext,
  pendingChanges,
} from '../../../src/drift/config-pending.ts';
import { parseDomainXml } from '../../../src/inventory/domain-xml.ts';

const DOMAINS = new URL('../../fixtures/domains/', import.meta.url);

function resolveMachine(_arch: string, machine: string): string {
  return machine === 'q35' ? 'pc-q35-7.2' : machine;
}

function pending(
  live: string,
  persistent: string,
  context: Partial<PendingContext> = {},
): readonly ConfigChange[] {
  const changes = pendingChanges(parseDomainXml(live), parseDomainXml(persistent), {
    resolveMachine,
    ...context,
  });
  expect(Object.keys(changes)).toEqual([...CONFIG_CHANGES]);
  return CONFIG_CHANGES.filter((change) => changes[change]);
}

function fixture(name: string, side: 'live' | 'inactive'): string {
  return readFileSync(new URL(`${name}.${side}.xml`, DOMAINS), 'utf8');
}

const names = readdirSync(DOMAINS)
  .filter((file) => file.endsWith('.live.xml'))
  .map((file) => file.replace('.live.xml', ''));

describe('documents of real domains', () => {
  test.each(names.filter((name) => !name.startsWith('edit-')))(
    'nothing waits right after start: %s',
    (name) => {
      expect(pending(fixture(name, 'live'), fixture(name, 'inactive'))).toEqual([]);
    },
  );

  const edits: Readonly<Record<string, readonly ConfigChange[]>> = {
    'edit-machine': ['machine_type'],
    'edit-metadata': ['os'],
    'edit-emulator': ['emulator'],
    'edit-hostmodel-to-custom': ['cpu'],
    'edit-default-to-hostmodel': ['cpu'],
    'edit-setvcpus': ['cpu'],
    'edit-setmaxmem': ['memory'],
    'edit-setmem': [],
    'edit-attach-disk': ['disk'],
    'edit-attach-disk-both': [],
    'edit-snapshot': [],
    'edit-blockcommit-job': [],
  };

  test('every edit has an expectation', () => {
    expect(Object.keys(edits).sort()).toEqual(names.filter((name) => name.startsWith('edit-')).sort());
  });

  test.each(Object.entries(edits))('%s: %s', (name, expected) => {
    expect(pending(fixture(name, 'live'), fixture(name, 'inactive'))).toEqual(expected);
  });
});

interface Parts {
  readonly arch?: string;
  readonly machine?: string;
  readonly metadata?: string;
  readonly memory?: string;
  readonly vcpu?: string;
  readonly cpu?: string;
  readonly features?: string;
  /** Attributes and children of `<os>`. */
  readonly osAttributes?: string;
  readonly os?: string;
  /** Empty for none. */
  readonly emulator?: string;
  readonly devices?: string;
}

function domain(parts: Parts): string {
  return `<domain type='kvm'><metadata>${parts.metadata ?? ''}</metadata>${parts.memory ?? '<memory>1048576</memory>'}
    ${parts.vcpu ?? '<vcpu>2</vcpu>'}<os ${parts.osAttributes ?? ''}><type arch='${parts.arch ?? 'x86_64'}' machine='${parts.machine ?? 'pc-q35-7.2'}'>hvm</type>${parts.os ?? ''}</os>
    ${parts.features ?? ''}${parts.cpu ?? ''}<devices>${parts.emulator ?? '<emulator>/usr/bin/qemu-system-x86_64</emulator>'}${parts.devices ?? ''}</devices></domain>`;
}

type Case = readonly [what: string, live: Parts, persistent: Parts];

const expectNoChange = (cases: readonly Case[]) =>
  test.each(cases)('no change: %s', (_what, live, persistent) => {
    expect(pending(domain(live), domain(persistent))).toEqual([]);
  });

const expectChange = (change: ConfigChange, cases: readonly Case[]) =>
  test.each(cases)('change: %s', (_what, live, persistent) => {
    expect(pending(domain(live), domain(persistent))).toEqual([change]);
  });

describe('machine type', () => {
  expectNoChange([
    ['the alias of what runs', {}, { machine: 'q35' }],
    ['aliases on both sides', { machine: 'q35' }, { machine: 'q35' }],
    ['none written', {}, { machine: '' }],
    ['an alias that cannot be resolved', {}, { machine: 'ubuntu-q35' }],
  ]);
  expectChange('machine_type', [
    ['the alias of another', { machine: 'pc-q35-7.1' }, { machine: 'q35' }],
    ['an alias that cannot be resolved, of another family', {}, { machine: 'ubuntu' }],
    ['an unversioned type', {}, { machine: 'microvm' }],
  ]);
});

describe('declared operating system', () => {
  const os = (id: string, prefix = 'o') =>
    `<${prefix}:libosinfo xmlns:${prefix}="http://libosinfo.org/xmlns/libvirt/domain/1.0"><${prefix}:os id="${id}"/></${prefix}:libosinfo>`;
  expectNoChange([['another prefix', { metadata: os('X') }, { metadata: os('X', 'p') }]]);
  expectChange('os', [
    ['another id', { metadata: os('X') }, { metadata: os('Y') }],
    ['newly declared', {}, { metadata: os('X') }],
    ['no longer declared', { metadata: os('X') }, {}],
  ]);
});

describe('emulator', () => {
  expectNoChange([['none written: libvirt fills it in', {}, { emulator: '' }]]);
  expectChange('emulator', [['another path', {}, { emulator: '<emulator>/opt/qemu</emulator>' }]]);
});

describe('CPU', () => {
  const model = (name: string, more = '', match = 'exact') =>
    `<cpu mode='custom' match='${match}'><model fallback='forbid'>${name}</model>${more}</cpu>`;
  const topology = (attributes: string) => `<cpu><topology ${attributes}/></cpu>`;
  const expanded = model(
    'Skylake-Server-IBRS',
    "<vendor>Intel</vendor><feature policy='require' name='ss'/>",
  );

  expectNoChange([
    ['host-model, expanded', { cpu: expanded }, { cpu: "<cpu mode='host-model'/>" }],
    ['host-model, not expanded', { cpu: "<cpu mode='host-model'/>" }, { cpu: "<cpu mode='host-model'/>" }],
    [
      'host-model of another architecture',
      { arch: 's390x', cpu: model('gen15a') },
      { arch: 's390x', cpu: "<cpu mode='host-model'/>" },
    ],
    ['no CPU, the default filled in', { cpu: model('qemu64') }, {}],
    ['no CPU, an older default filled in', { cpu: model('kvm64') }, {}],
    ['no CPU, the versioned default filled in', { cpu: model('qemu64-v1') }, {}],
    [
      'no CPU, the default of another architecture',
      { arch: 'aarch64', cpu: model('cortex-a15') },
      { arch: 'aarch64' },
    ],
    ['no CPU on either side', {}, {}],
    ['a CPU that libvirt leaves out while it runs', {}, { cpu: model('Nehalem') }],
    [
      'a topology alone, the model filled in',
      { cpu: model('qemu64', "<topology sockets='1' cores='2' threads='1'/>") },
      { cpu: topology("sockets='1' cores='2' threads='1'") },
    ],
    [
      'features filled in',
      { cpu: model('Nehalem', "<feature policy='require' name='hypervisor'/>") },
      { cpu: model('Nehalem') },
    ],
    ['the canonical name of a model', { cpu: model('Skylake-Client-v1') }, { cpu: model('Skylake-Client') }],
    ['match minimum, raised to the host', { cpu: model('EPYC') }, { cpu: model('Nehalem', '', 'minimum') }],
    [
      'levels of a topology filled in',
      { cpu: topology("sockets='1' dies='1' clusters='1' cores='2' threads='1'") },
      { cpu: topology("sockets='1' cores='2' threads='1'") },
    ],
    ['the current count written out', { vcpu: "<vcpu current='2'>2</vcpu>" }, {}],
  ]);

  expectChange('cpu', [
    ['another model', { cpu: model('Nehalem') }, { cpu: model('Westmere') }],
    ['another version of the model', { cpu: model('Skylake-Client') }, { cpu: model('Skylake-Client-v4') }],
    [
      'host-passthrough to host-model',
      { cpu: "<cpu mode='host-passthrough'/>" },
      { cpu: "<cpu mode='host-model'/>" },
    ],
    ['host-passthrough to a model', { cpu: "<cpu mode='host-passthrough'/>" }, { cpu: model('Nehalem') }],
    ['host-passthrough to none', { cpu: "<cpu mode='host-passthrough'/>" }, {}],
    ['a model to host-passthrough', { cpu: model('Nehalem') }, { cpu: "<cpu mode='host-passthrough'/>" }],
    ['a model to host-model', { cpu: model('Nehalem') }, { cpu: "<cpu mode='host-model'/>" }],
    ['a model to maximum', { cpu: model('Nehalem') }, { cpu: "<cpu mode='maximum'/>" }],
    ['a model to none', { cpu: model('Nehalem') }, {}],
    ['host-model to host-passthrough', { cpu: expanded }, { cpu: "<cpu mode='host-passthrough'/>" }],
    ['host-model to a model', { cpu: expanded }, { cpu: model('Nehalem') }],
    ['a topology', {}, { cpu: topology("sockets='1' cores='2' threads='1'") }],
    [
      'another topology',
      { cpu: topology("sockets='2' cores='1' threads='1'") },
      { cpu: topology("sockets='1' cores='2' threads='1'") },
    ],
    ['more vCPUs', {}, { vcpu: '<vcpu>4</vcpu>' }],
    ['fewer vCPUs at start', {}, { vcpu: "<vcpu current='1'>2</vcpu>" }],
  ]);
});

describe('memory', () => {
  const memory = (kibibytes: number) => `<memory unit='KiB'>${kibibytes}</memory>`;
  const cells =
    "<cpu mode='host-passthrough'><numa><cell id='0' memory='1'/><cell id='1' memory='1'/></numa></cpu>";
  expectNoChange([
    ['rounded up to the next MiB', { memory: memory(66560) }, { memory: memory(65537) }],
    [
      'each cell rounded up',
      { memory: memory(40 * 1024), cpu: cells },
      { memory: memory(38 * 1024 + 2), cpu: cells },
    ],
    [
      'rounded up to the next 256 MiB on ppc64',
      { arch: 'ppc64le', memory: memory(512 * 1024) },
      { arch: 'ppc64le', memory: memory(300 * 1024) },
    ],
    [
      'the balloon',
      { memory: `${memory(65536)}<currentMemory>1024</currentMemory>` },
      { memory: `${memory(65536)}<currentMemory>65536</currentMemory>` },
    ],
    ['another unit', { memory: memory(1024) }, { memory: "<memory unit='MiB'>1</memory>" }],
    ['unreadable', { memory: memory(1024) }, { memory: '<memory>?</memory>' }],
  ]);
  expectChange('memory', [
    ['more', { memory: memory(65536) }, { memory: memory(65537) }],
    ['less by the smallest step', { memory: memory(65536) }, { memory: memory(64512) }],
    [
      'less by 256 MiB on ppc64',
      { arch: 'ppc64', memory: memory(512 * 1024) },
      { arch: 'ppc64', memory: memory(256 * 1024) },
    ],
  ]);
});

describe('disks', () => {
  const disk = (
    source: string,
    more = '',
    target = "dev='vda' bus='virtio'",
    type = 'file',
    device = 'disk',
  ) => ({
    devices: `<disk type='${type}' device='${device}'>${source}<target ${target}/>${more}</disk>`,
  });
  const nbd = (...hosts: readonly string[]) =>
    disk(
      `<source protocol='nbd' name='e'>${hosts.map((host) => `<host ${host}/>`).join('')}</source>`,
      '',
      "dev='vda' bus='virtio'",
      'network',
    );
  const medium = (source: string, device = 'cdrom') =>
    disk(source, '', "dev='sda' bus='sata'", 'file', device);
  const a = disk("<source file='/a'/>");

  expectNoChange([
    [
      'what libvirt adds to a source',
      disk(
        "<source file='/a' index='1'/><backingStore type='file'><source file='/base'/></backingStore>",
        "<alias name='x'/><address type='pci'/>",
      ),
      a,
    ],
    ['a port filled in', nbd("name='h' port='10809'"), nbd("name='h'")],
    ['a port left out at run time', nbd("name='h'"), nbd("name='h' port='10809'")],
    [
      'hosts in another order',
      nbd("name='h' port='1'", "name='i' port='2'"),
      nbd("name='i' port='2'", "name='h' port='1'"),
    ],
    [
      'one name with two ports',
      nbd("name='h' port='1'", "name='h' port='2'"),
      nbd("name='h' port='2'", "name='h' port='1'"),
    ],
    [
      'disks in another order',
      { devices: `${a.devices}${medium('').devices}` },
      { devices: `${medium('').devices}${a.devices}` },
    ],
    ['a medium put in', medium("<source file='/cd.iso'/>"), medium('')],
    ['a medium taken out', medium('', 'floppy'), medium("<source file='/a'/>", 'floppy')],
    [
      'a volume translated',
      disk("<source file='/pool/v'/>"),
      disk("<source pool='p' volume='v'/>", '', "dev='vda' bus='virtio'", 'volume'),
    ],
    [
      'a shareable disk without a cache',
      disk("<driver cache='none'/><source file='/a'/>", '<shareable/>'),
      disk("<source file='/a'/>", '<shareable/>'),
    ],
    [
      'a transient disk',
      disk("<source file='/a.TRANSIENT-vm'/>", '<transient/>'),
      disk("<source file='/a'/>", '<transient/>'),
    ],
    ['an optional disk left out', {}, disk("<source file='/a' startupPolicy='optional'/>")],
  ]);

  expectChange('disk', [
    ['added', {}, a],
    ['removed', a, {}],
    ['another file', a, disk("<source file='/b'/>")],
    ['a file to a block device', a, disk("<source dev='/dev/a'/>", '', "dev='vda' bus='virtio'", 'block')],
    [
      'another volume',
      disk("<source pool='p' volume='v'/>", '', "dev='vda'", 'volume'),
      disk("<source pool='p' volume='w'/>", '', "dev='vda'", 'volume'),
    ],
    ['another host', nbd("name='h'"), nbd("name='i'")],
    ['another port', nbd("name='h' port='1'"), nbd("name='h' port='2'")],
    ['one host more', nbd("name='h'"), nbd("name='h'", "name='i'")],
    ['another bus', a, disk("<source file='/a'/>", '', "dev='vda' bus='scsi'")],
    ['another device', medium(''), medium('', 'floppy')],
    [
      'another cache',
      disk("<driver cache='none'/><source file='/a'/>"),
      disk("<driver cache='unsafe'/><source file='/a'/>"),
    ],
    ['no cache chosen any more', disk("<driver cache='none'/><source file='/a'/>"), a],
    ['another io', a, disk("<driver io='native'/><source file='/a'/>")],
  ]);
});

describe('two ways to write one meaning', () => {
  const disk = (driver: string, source = "<source file='/images/a.img'/>", type = 'file') => ({
    devices: `<disk type='${type}' device='disk'><driver name='qemu' type='raw' ${driver}/>${source}<target dev='vda' bus='virtio'/></disk>`,
  });
  expectNoChange([
    ['no cache mode and writeback', disk(''), disk("cache='writeback'")],
    ['writeback and the default written out', disk("cache='writeback'"), disk("cache='default'")],
    ['no I/O mode and threads', disk("io='threads'"), disk('')],
    ['no discard mode and ignore', disk(''), disk("discard='ignore'")],
    ['a slash twice', disk('', "<source file='/images//a.img'/>"), disk('')],
    ['a dot in the path', disk(''), disk('', "<source file='/images/./a.img'/>")],
    [
      'a slash twice in the path of the emulator',
      { emulator: '<emulator>/usr/bin/qemu</emulator>' },
      { emulator: '<emulator>/usr//bin/qemu</emulator>' },
    ],
  ]);
  expectChange('disk', [
    ['a folder above, which can cross a link', disk(''), disk('', "<source file='/x/../images/a.img'/>")],
    ['the name of a network disk with two slashes', network('a//b'), network('a/b')],
  ]);

  function network(name: string): Parts {
    return disk('', `<source protocol='rbd' name='${name}'/>`, 'network');
  }

  const links = new Map([
    ['/dev/mapper/vg-lv', '/dev/dm-3'],
    ['/usr/bin/kvm', '/usr/bin/qemu-system-x86_64'],
    ['/usr/share/OVMF/OVMF_CODE.fd', '/usr/share/OVMF/OVMF_CODE_4M.fd'],
  ]);
  const isSameFile = (a: string, b: string) => links.get(a) === b || links.get(b) === a;
  const mapped = disk('', "<source dev='/dev/mapper/vg-lv'/>", 'block');
  const firmware = (path: string) => ({ os: `<loader readonly='yes' type='pflash'>${path}</loader>` });

  test.each<Case>([
    ['a mapped device and its dm device', mapped, disk('', "<source dev='/dev/dm-3'/>", 'block')],
    ['an emulator and a link to it', {}, { emulator: '<emulator>/usr/bin/kvm</emulator>' }],
    [
      'firmware and a link to it',
      firmware('/usr/share/OVMF/OVMF_CODE_4M.fd'),
      firmware('/usr/share/OVMF/OVMF_CODE.fd'),
    ],
  ])('paths that are one file on the host: %s', (_what, live, persistent) => {
    expect(pending(domain(live), domain(persistent), { isSameFile })).toEqual([]);
    expect(pending(domain(live), domain(persistent))).not.toEqual([]);
  });

  test('a disk that is another device stays a change', () => {
    const other = disk('', "<source dev='/dev/dm-4'/>", 'block');
    expect(pending(domain(mapped), domain(other), { isSameFile })).toEqual(['disk']);
  });
});

describe('what two documents cannot decide is decided by the configuration at the beginning of the run', () => {
  const model = (name: string, more = '', check = 'none') =>
    ({
      cpu: `<cpu mode='custom' match='exact' check='${check}'><model>${name}</model>${more}</cpu>`,
    }) as const;
  const withoutVendor = model('Skylake-Client-IBRS', "<feature policy='require' name='ss'/>", 'full');
  const hostModel = { cpu: "<cpu mode='host-model' check='partial'/>" };
  const feature = (policy: string, name = 'vmx') => `<feature policy='${policy}' name='${name}'/>`;
  const nic = (more: string) => ({
    devices: `<interface type='network'><mac address='52:54:00:00:00:01'/><source network='n'/>${more}</interface>`,
  });

  test.each<readonly [what: string, change: ConfigChange, live: Parts, persistent: Parts, before: Parts]>([
    ['host-model without a vendor', 'cpu', withoutVendor, hostModel, model('Skylake-Client-IBRS')],
    [
      'a feature that QEMU adds',
      'cpu',
      model('Nehalem', feature('require', 'hypervisor')),
      model('Nehalem'),
      model('Nehalem', feature('require', 'hypervisor')),
    ],
    [
      'a feature that QEMU lacks',
      'cpu',
      model('Nehalem', feature('disable')),
      model('Nehalem', feature('require')),
      model('Nehalem', feature('disable')),
    ],
    ["a network's MTU", 'interface', nic("<mtu size='1400'/>"), nic(''), nic("<mtu size='1400'/>")],
  ])('%s', (_what, change, live, persistent, before) => {
    const decided = (atStart: Parts) =>
      pending(domain(live), domain(persistent), { atStart: parseDomainXml(domain(atStart)) });
    expect(pending(domain(live), domain(persistent))).toEqual([]);
    expect(decided(persistent)).toEqual([]);
    expect(decided(before)).toEqual([change]);
  });

  expectChange('cpu', [
    ['a feature added', model('Nehalem'), model('Nehalem', feature('require'))],
    [
      'a feature turned off that runs',
      model('Nehalem', feature('require')),
      model('Nehalem', feature('disable')),
    ],
    [
      'a feature required that QEMU must not lack',
      model('Nehalem', feature('disable')),
      model('Nehalem', feature('require'), 'full'),
    ],
    ['the default to host-model', model('qemu64', feature('require', 'hypervisor')), hostModel],
  ]);
  expectNoChange([
    [
      'a feature forced and required',
      model('Nehalem', feature('force')),
      model('Nehalem', feature('require')),
    ],
    ['an optional feature that the host lacks', model('Nehalem'), model('Nehalem', feature('optional'))],
    ['host-model without a vendor', withoutVendor, hostModel],
  ]);
});

describe('features', () => {
  const features = (inner: string) => ({ features: `<features>${inner}</features>` });
  expectNoChange([
    ['on is the default', features("<hap state='on'/>"), features('<hap/>')],
    ['another order', features('<acpi/><apic/>'), features('<apic/><acpi/>')],
    [
      'custom is the default',
      features("<hyperv mode='custom'><relaxed state='on'/></hyperv>"),
      features("<hyperv><relaxed state='on'/></hyperv>"),
    ],
    ['SMM for Secure Boot', features("<acpi/><smm state='on'/>"), features('<acpi/>')],
    [
      'enlightenments that libvirt chooses',
      features("<hyperv mode='custom'><relaxed state='on'/></hyperv>"),
      features("<hyperv mode='host-model'/>"),
    ],
  ]);
  expectChange('features', [
    ['ACPI taken out', features('<acpi/><apic/>'), features('<apic/>')],
    ['none any more', features('<acpi/>'), {}],
    ['PAE put in', features('<acpi/>'), features('<acpi/><pae/>')],
    ['turned off', features("<kvm><hidden state='on'/></kvm>"), features("<kvm><hidden state='off'/></kvm>")],
    [
      'another number of retries',
      features("<hyperv><spinlocks state='on' retries='4095'/></hyperv>"),
      features("<hyperv><spinlocks state='on' retries='8191'/></hyperv>"),
    ],
    [
      'an enlightenment taken out',
      features("<hyperv><relaxed state='on'/><vapic state='on'/></hyperv>"),
      features("<hyperv><relaxed state='on'/></hyperv>"),
    ],
    ['SMM turned off', features("<smm state='on'/>"), features("<smm state='off'/>")],
  ]);
});

describe('interfaces', () => {
  const nic = (inner: string, type = 'network', mac = '52:54:00:00:00:01') => ({
    devices: `<interface type='${type}'><mac address='${mac}'/>${inner}</interface>`,
  });
  const source = "<source network='default'/>";
  expectNoChange([
    [
      'the bridge and the port of a network',
      nic("<source network='default' portid='x' bridge='virbr0'/><target dev='vnet0'/><alias name='net0'/>"),
      nic(source),
    ],
    [
      'the type of what the network uses',
      nic("<source network='default' bridge='br0'/>", 'bridge'),
      nic(source),
    ],
    [
      'a device of the network',
      nic("<source network='default' dev='eth0' mode='bridge'/>", 'direct'),
      nic(source),
    ],
    ['the name of a tap device', nic("<target dev='vnet3'/>", 'ethernet'), nic('', 'ethernet')],
    ['the link is up by default', nic(`${source}<link state='up'/>`), nic(source)],
    [
      'the address in capitals',
      nic(source, 'network', '52:54:00:AA:BB:CC'),
      nic(source, 'network', '52:54:00:aa:bb:cc'),
    ],
    [
      'a PCI address',
      nic(`${source}<address type='pci' slot='3'/>`),
      nic(`${source}<address type='pci' slot='4'/>`),
    ],
  ]);
  expectChange('interface', [
    ['added', {}, nic(source)],
    ['removed', nic(source), {}],
    ['another network', nic("<source network='default' bridge='virbr0'/>"), nic("<source network='other'/>")],
    [
      'a bridge instead of a network',
      nic("<source network='default' bridge='br0'/>", 'bridge'),
      nic("<source bridge='br0'/>", 'bridge'),
    ],
    ['another MAC address', nic(source), nic(source, 'network', '52:54:00:00:00:02')],
    ['another model', nic(`${source}<model type='rtl8139'/>`), nic(`${source}<model type='virtio'/>`)],
    ['queues', nic(source), nic(`${source}<driver queues='4'/>`)],
    ['an MTU', nic(source), nic(`${source}<mtu size='9000'/>`)],
    ['the link down', nic(source), nic(`${source}<link state='down'/>`)],
    ['a name of its own', nic("<target dev='vnet0'/>", 'ethernet'), nic("<target dev='tap7'/>", 'ethernet')],
    [
      'another device of the host',
      nic("<source><address type='pci' slot='0x01'/></source>", 'hostdev'),
      nic("<source><address type='pci' slot='0x02'/></source>", 'hostdev'),
    ],
  ]);
});

describe('graphics', () => {
  const screen = (attributes: string, inner = '') => ({
    devices: `<graphics type='vnc' ${attributes}>${inner}</graphics>`,
  });
  const address = (of: string) => `<listen type='address'${of}/>`;
  const socket = (path = '') => `<listen type='socket'${path}/>`;
  const generated = socket(" socket='/var/lib/libvirt/qemu/domain-5-vm/vnc.sock'");
  expectNoChange([
    [
      'ports and the address of qemu.conf',
      screen(
        "port='5900' autoport='yes' websocket='5700' listen='127.0.0.1'",
        address(" address='127.0.0.1'"),
      ),
      screen("port='-1' autoport='yes' websocket='-1'", address('')),
    ],
    ['a generated socket', screen('', generated), screen('', socket())],
    ['a socket by qemu.conf', screen('', generated), screen("port='-1' autoport='yes'", address(''))],
    [
      'the address of a network',
      screen("autoport='yes'", "<listen type='network' network='n' address='10.0.0.1'/>"),
      screen("autoport='yes'", "<listen type='network' network='n'/>"),
    ],
  ]);
  expectChange('graphics', [
    ['added', {}, screen("port='-1' autoport='yes'")],
    ['removed', screen("port='5900' autoport='yes'"), {}],
    [
      'spice instead of vnc',
      screen("port='5900' autoport='yes'"),
      { devices: "<graphics type='spice' autoport='yes'/>" },
    ],
    ['a fixed port', screen("port='5900' autoport='yes'"), screen("port='5950' autoport='no'")],
    ['another port', screen("port='5900' autoport='no'"), screen("port='5901' autoport='no'")],
    [
      'another address',
      screen("autoport='yes' listen='127.0.0.1'", address(" address='127.0.0.1'")),
      screen("autoport='yes' listen='0.0.0.0'", address(" address='0.0.0.0'")),
    ],
    ['a keymap', screen("port='5900' autoport='yes'"), screen("port='-1' autoport='yes' keymap='de'")],
    [
      'a socket instead of an address',
      screen("port='5900' autoport='yes'", address(" address='127.0.0.1'")),
      screen('', socket(" socket='/run/a.sock'")),
    ],
  ]);
});

describe('firmware', () => {
  const pflash = (path: string, more = '') => `<loader readonly='yes' type='pflash'>${path}</loader>${more}`;
  const code = pflash('/CODE.fd');
  const nvram = "<nvram template='/VARS.fd'>/nvram/vm.fd</nvram>";
  const automatic = (kind: string, os = '') => ({ osAttributes: `firmware='${kind}'`, os });
  expectNoChange([
    ['chosen at start', { os: pflash('/CODE.fd', nvram) }, automatic('efi')],
    ['chosen at start, with the kind', automatic('efi', pflash('/CODE.fd', nvram)), automatic('efi')],
    [
      'chosen for Secure Boot',
      { os: `<loader readonly='yes' secure='yes' type='pflash'>/C</loader>${nvram}` },
      automatic('efi', "<loader secure='yes'/>"),
    ],
    ['the template filled in', { os: `${code}${nvram}` }, { os: `${code}<nvram>/nvram/vm.fd</nvram>` }],
    ['a BIOS chosen at start', { os: "<loader type='rom'>/bios</loader>" }, automatic('bios')],
    [
      'not writable is the default',
      { os: "<loader readonly='no' type='rom'>/bios</loader>" },
      { os: '<loader>/bios</loader>' },
    ],
  ]);
  expectChange('firmware', [
    ['EFI instead of a BIOS', {}, automatic('efi')],
    ['EFI by a path instead of a BIOS', {}, { os: pflash('/CODE.fd', nvram) }],
    ['a BIOS instead of EFI', { os: pflash('/CODE.fd', nvram) }, {}],
    ['a BIOS chosen instead of EFI', { os: pflash('/CODE.fd', nvram) }, automatic('bios')],
    ['another file', { os: code }, { os: pflash('/CODE_4M.fd') }],
    [
      'another variable store',
      { os: `${code}${nvram}` },
      { os: `${code}<nvram template='/VARS.fd'>/other.fd</nvram>` },
    ],
    ['Secure Boot', { os: `${code}${nvram}` }, automatic('efi', "<loader secure='yes'/>")],
    [
      'a feature of the firmware',
      automatic('efi', `<firmware><feature enabled='no' name='secure-boot'/></firmware>${code}`),
      automatic('efi', "<firmware><feature enabled='yes' name='secure-boot'/></firmware>"),
    ],
  ]);
});

describe('TPM and controllers', () => {
  const tpm = (version: string, model = 'tpm-tis') => ({
    devices: `<tpm model='${model}'><backend type='emulator' version='${version}'/></tpm>`,
  });
  const devices = (xml: string) => ({ devices: xml });
  const scsi = (inner = '') => `<controller type='scsi' index='0' model='virtio-scsi'>${inner}</controller>`;
  const disk = (target: string, bus: string) =>
    `<disk type='file' device='disk'><source file='/a'/><target dev='${target}' bus='${bus}'/></disk>`;
  expectNoChange([
    [
      'a profile that libvirt chooses',
      devices(
        "<tpm model='tpm-crb'><backend type='emulator' version='2.0'><profile name='custom'/></backend></tpm>",
      ),
      tpm('2.0', 'tpm-crb'),
    ],
    ['PCI controllers', devices("<controller type='pci' index='1' model='pcie-root-port'/>"), {}],
    ['the controller of a channel', {}, devices("<controller type='virtio-serial' index='0'/>")],
    ['an alias and an address', devices(scsi("<alias name='scsi0'/><address type='pci'/>")), devices(scsi())],
  ]);
  expectChange('tpm', [
    ['added', {}, tpm('2.0')],
    ['removed', tpm('2.0'), {}],
    ['another version', tpm('1.2'), tpm('2.0')],
    ['another model', tpm('2.0'), tpm('2.0', 'tpm-crb')],
  ]);
  expectChange('controller', [
    ['added', {}, devices(scsi())],
    ['removed', devices(scsi()), {}],
    ['another model', devices(scsi()), devices("<controller type='scsi' index='0' model='lsilogic'/>")],
    ['queues', devices(scsi()), devices(scsi("<driver queues='4'/>"))],
    [
      'a USB controller',
      devices("<controller type='usb' index='0' model='piix3-uhci'/>"),
      devices("<controller type='usb' index='0' model='qemu-xhci'/>"),
    ],
  ]);
  expectChange('disk', [
    ['the controller comes with the disk', {}, devices(disk('sda', 'scsi') + scsi())],
    [
      'the controller goes with the disk',
      devices(`${disk('sda', 'sata')}<controller type='sata' index='0'/>`),
      {},
    ],
  ]);
});
