import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { CONFIG_CHANGES, type ConfigChange, pendingChanges } from '../../../src/drift/config-pending.ts';
import { parseDomainXml } from '../../../src/inventory/domain-xml.ts';

const DOMAINS = new URL('../../fixtures/domains/', import.meta.url);

function resolveMachine(_arch: string, machine: string): string {
  return machine === 'q35' ? 'pc-q35-7.2' : machine;
}

function pending(live: string, persistent: string): readonly ConfigChange[] {
  const changes = pendingChanges(parseDomainXml(live), parseDomainXml(persistent), resolveMachine);
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
  /** Empty for none. */
  readonly emulator?: string;
  readonly devices?: string;
}

function domain(parts: Parts): string {
  return `<domain type='kvm'><metadata>${parts.metadata ?? ''}</metadata>${parts.memory ?? '<memory>1048576</memory>'}
    ${parts.vcpu ?? '<vcpu>2</vcpu>'}<os><type arch='${parts.arch ?? 'x86_64'}' machine='${parts.machine ?? 'pc-q35-7.2'}'>hvm</type></os>
    ${parts.cpu ?? ''}<devices>${parts.emulator ?? '<emulator>/usr/bin/qemu-system-x86_64</emulator>'}${parts.devices ?? ''}</devices></domain>`;
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
