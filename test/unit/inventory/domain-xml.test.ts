import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { DiskConfig } from '../../../src/inventory/domain-config.ts';
import { OWN_NAMESPACE, parseDomainXml } from '../../../src/inventory/domain-xml.ts';
import { XmlError } from '../../../src/inventory/xml.ts';

function fixture(name: string) {
  return parseDomainXml(readFileSync(new URL(`../../fixtures/domains/${name}.xml`, import.meta.url), 'utf8'));
}

function diskOf(xml: string): DiskConfig | undefined {
  return parseDomainXml(`<domain type='kvm'><devices>${xml}</devices></domain>`).disks[0];
}

test('a real domain, whole', () => {
  expect(fixture('meta.live')).toEqual({
    scsiControllers: [],
    hasHyperv: false,
    agentChannel: undefined,
    guestProbeOff: false,
    balloonPeriodSeconds: 0,
    type: 'qemu',
    arch: 'x86_64',
    osType: 'hvm',
    machine: 'pc-q35-7.2',
    emulator: '/usr/bin/qemu-system-x86_64',
    bootFiles: { loader: undefined, nvram: undefined, nvramTemplate: undefined, isAutomatic: false },
    declaredOs: 'http://debian.org/debian/12',
    cpu: {
      mode: 'custom',
      model: 'qemu64',
      vendor: undefined,
      match: 'exact',
      check: 'full',
      topology: undefined,
      maximum: 1,
      current: 1,
    },
    memoryBytes: 16 * 2 ** 20,
    memoryRoundingBytes: 2 ** 20,
    disks: [
      {
        target: 'vda',
        alias: 'virtio-disk0',
        device: 'disk',
        type: 'file',
        source: '/var/lib/libvirt/images/meta.img',
        hosts: [],
        bus: 'virtio',
        cache: undefined,
        io: undefined,
        shareable: false,
        optional: false,
        driver: 'qemu',
        format: 'raw',
        discard: undefined,
        protocol: undefined,
        serial: undefined,
        backingImages: 0,
        ioTune: new Map(),
        throttleGroup: undefined,
      },
    ],
    interfaces: [],
    nova: undefined,
    hardware: {
      cpuFeatures: new Map([
        ['hypervisor', 'require'],
        ['lahf_lm', 'require'],
      ]),
      features: new Map([['acpi', '']]),
      firmware: new Map(),
      interfaces: [],
      graphics: [],
      tpms: [],
      controllers: [
        {
          key: 'usb:0 1',
          settings: new Map([
            ['@type', 'usb'],
            ['@index', '0'],
            ['@model', 'qemu-xhci'],
          ]),
        },
        {
          key: 'sata:0 1',
          settings: new Map([
            ['@type', 'sata'],
            ['@index', '0'],
          ]),
        },
      ],
    },
  });
});

test('the least of a document', () => {
  expect(parseDomainXml('<domain/>')).toEqual({
    scsiControllers: [],
    hasHyperv: false,
    agentChannel: undefined,
    guestProbeOff: false,
    balloonPeriodSeconds: undefined,
    type: '',
    arch: '',
    osType: '',
    machine: '',
    emulator: undefined,
    bootFiles: { loader: undefined, nvram: undefined, nvramTemplate: undefined, isAutomatic: false },
    declaredOs: undefined,
    cpu: {
      mode: undefined,
      model: undefined,
      vendor: undefined,
      match: undefined,
      check: undefined,
      topology: undefined,
      maximum: undefined,
      current: undefined,
    },
    memoryBytes: undefined,
    memoryRoundingBytes: 2 ** 20,
    disks: [],
    interfaces: [],
    nova: undefined,
    hardware: {
      cpuFeatures: new Map(),
      features: new Map(),
      firmware: new Map(),
      interfaces: [],
      graphics: [],
      tpms: [],
      controllers: [],
    },
  });
});

describe('the declared operating system', () => {
  const URI = 'http://libosinfo.org/xmlns/libvirt/domain/1.0';
  const declared = (metadata: string) =>
    parseDomainXml(`<domain xmlns:a='urn:a'><metadata>${metadata}</metadata></domain>`).declaredOs;

  test.each([
    [
      'the usual prefix',
      `<libosinfo:libosinfo xmlns:libosinfo="${URI}"><libosinfo:os id="X"/></libosinfo:libosinfo>`,
    ],
    ['another prefix', `<o:libosinfo xmlns:o="${URI}"><o:os id="X"/></o:libosinfo>`],
    ['no prefix', `<libosinfo xmlns="${URI}"><os id="X"/></libosinfo>`],
    ['two prefixes', `<p:libosinfo xmlns:p="${URI}"><q:os xmlns:q="${URI}" id="X"/></p:libosinfo>`],
    ['several: the first', `<o:libosinfo xmlns:o="${URI}"><o:os id="X"/><o:os id="Y"/></o:libosinfo>`],
    [
      'others in between',
      `<a:x/><o:libosinfo xmlns:o="${URI}"><o:other/><o:os id=" X "/></o:libosinfo><a:y/>`,
    ],
  ])('is found with %s', (_what, metadata) => {
    expect(declared(metadata)).toBe('X');
  });

  test.each([
    ['no metadata', ''],
    ['an empty id', `<o:libosinfo xmlns:o="${URI}"><o:os id=""/></o:libosinfo>`],
    ['no id', `<o:libosinfo xmlns:o="${URI}"><o:os/></o:libosinfo>`],
    [
      'another namespace',
      '<libosinfo:libosinfo xmlns:libosinfo="urn:x"><libosinfo:os id="X"/></libosinfo:libosinfo>',
    ],
    ['an os of no namespace', `<o:libosinfo xmlns:o="${URI}"><os id="X"/></o:libosinfo>`],
    ['an os of another namespace', `<o:libosinfo xmlns:o="${URI}"><a:os id="X"/></o:libosinfo>`],
  ])('is absent with %s', (_what, metadata) => {
    expect(declared(metadata)).toBeUndefined();
  });
});

test.each([
  ['<memory>1024</memory>', 2 ** 20],
  ["<memory unit='KiB'>1024</memory>", 2 ** 20],
  ["<memory unit='k'>1024</memory>", 2 ** 20],
  ["<memory unit='KB'>1000</memory>", 1_000_000],
  ["<memory unit='b'>17</memory>", 17],
  ["<memory unit='bytes'>17</memory>", 17],
  ["<memory unit='MB'>2</memory>", 2_000_000],
  ["<memory unit='M'>2</memory>", 2 * 2 ** 20],
  ["<memory unit='MiB'>2</memory>", 2 * 2 ** 20],
  ["<memory unit='GB'>2</memory>", 2_000_000_000],
  ["<memory unit='G'>2</memory>", 2 * 2 ** 30],
  ["<memory unit='GiB'>2</memory>", 2 * 2 ** 30],
  ["<memory unit='TB'>2</memory>", 2_000_000_000_000],
  ["<memory unit='TiB'>2</memory>", 2 * 2 ** 40],
  ["<memory unit='t'>2</memory>", 2 * 2 ** 40],
  ["<memory unit='EiB'>1</memory>", undefined],
  ['<memory>9007199254740993</memory>', undefined],
  ['<memory>99999999999999999999</memory>', undefined],
  ["<memory unit='furlong'>2</memory>", undefined],
  ['<memory>-1</memory>', undefined],
  ['<memory>1.5</memory>', undefined],
  ['<memory/>', undefined],
])('%s is %s bytes', (memory, bytes) => {
  expect(parseDomainXml(`<domain>${memory}</domain>`).memoryBytes).toBe(bytes);
});

test.each([
  ['numa.inactive', 2],
  ['dimm.inactive', 3],
  ['mem65537.inactive', 1],
])('libvirt may round the memory of %s up by less than %i MiB', (name, mebibytes) => {
  expect(fixture(name).memoryRoundingBytes).toBe(mebibytes * 2 ** 20);
});

test('on ppc64 memory is rounded to 256 MiB', () => {
  const config = parseDomainXml("<domain><os><type arch='ppc64le'>hvm</type></os></domain>");
  expect(config.memoryRoundingBytes).toBe(256 * 2 ** 20);
});

describe('the CPU', () => {
  test('counts, mode and topology', () => {
    expect(fixture('topo.inactive').cpu).toMatchObject({
      mode: 'custom',
      model: 'qemu64',
      maximum: 2,
      current: 1,
      topology: { sockets: 1, dies: 1, clusters: 1, cores: 2, threads: 1 },
    });
  });

  test('host-model names a vendor once libvirt expanded it', () => {
    expect(fixture('hostmodel.inactive').cpu).toMatchObject({ mode: 'host-model', model: undefined });
    expect(fixture('hostmodel.live').cpu).toMatchObject({ mode: 'custom', model: 'EPYC', vendor: 'AMD' });
  });
});

describe('disk sources', () => {
  test.each([
    ["<disk type='file'><source file='/a b.img' index='3'/><target dev='vda'/></disk>", '/a b.img'],
    ["<disk><source file='/a.img'/><target dev='vda'/></disk>", '/a.img'],
    ["<disk type='block'><source dev='/dev/vg/a'/><target dev='vda'/></disk>", '/dev/vg/a'],
    ["<disk type='dir'><source dir='/srv'/><target dev='vda'/></disk>", '/srv'],
    ["<disk type='volume'><source pool='p' volume='v'/><target dev='vda'/></disk>", 'p/v'],
    ["<disk type='volume'><source pool='p'/><target dev='vda'/></disk>", undefined],
    ["<disk type='network'><source protocol='rbd' name='p/i'/><target dev='vda'/></disk>", 'rbd:p/i'],
    [
      "<disk type='network'><source protocol='rbd' name='p/i'><snapshot name='s'/></source><target dev='vda'/></disk>",
      'rbd:p/i@s',
    ],
    [
      "<disk type='network'><source protocol='https' name='a.iso' query='k=v'/><target dev='vda'/></disk>",
      'https:a.iso?k=v',
    ],
    [
      "<disk type='nvme'><source type='pci' namespace='1'><address domain='0x0000' bus='0x01' slot='0x00' function='0x0'/></source><target dev='vda'/></disk>",
      'nvme:0x0000:0x01:0x00:0x0:1',
    ],
    [
      "<disk type='vhostuser'><source type='unix' path='/run/v.sock'/><target dev='vda'/></disk>",
      '/run/v.sock',
    ],
    [
      "<disk type='vhostvdpa'><source dev='/dev/vhost-vdpa-0'/><target dev='vda'/></disk>",
      '/dev/vhost-vdpa-0',
    ],
    ["<disk type='file' device='cdrom'><target dev='sda'/></disk>", undefined],
    ["<disk type='file' device='cdrom'><source file=''/><target dev='sda'/></disk>", undefined],
    ["<disk type='network'><source/><target dev='vda'/></disk>", undefined],
    ["<disk type='nvme'><source/><target dev='vda'/></disk>", undefined],
    ["<disk type='from-the-future'><source file='/a'/><target dev='vda'/></disk>", undefined],
  ])('%s', (xml, source) => {
    expect(diskOf(xml)?.source).toBe(source);
  });

  test('a backing chain is no source', () => {
    expect(fixture('chain.live').disks.map((disk) => disk.source)).toEqual([
      '/var/lib/libvirt/images/chain.qcow2',
    ]);
  });

  test('the target of a running block job is no source', () => {
    expect(fixture('edit-blockcommit-job.live').disks).toHaveLength(1);
    expect(fixture('edit-blockcommit-job.live').disks[0]?.source).toBe('/var/lib/libvirt/images/chain2.s2');
  });

  test('hosts of network disks, by name or socket', () => {
    const disk = diskOf(
      "<disk type='network'><source protocol='nbd'><host name='b' port='1'/><host name='a'/><host transport='unix' socket='/s'/></source><target dev='vda'/></disk>",
    );
    expect(disk?.hosts).toEqual([
      { name: 'b', port: '1' },
      { name: 'a', port: undefined },
      { name: '/s', port: undefined },
    ]);
  });
});

test('disk settings; a default that is written out is no choice', () => {
  expect(
    diskOf("<disk><driver cache='none' io='native'/><target dev='vda' bus='scsi'/><shareable/></disk>"),
  ).toMatchObject({ cache: 'none', io: 'native', bus: 'scsi', shareable: true, optional: false });
  expect(
    diskOf(
      "<disk><driver cache='default'/><source file='/a' startupPolicy='optional'/><target dev='vda'/></disk>",
    ),
  ).toMatchObject({ cache: undefined, io: undefined, bus: undefined, optional: true });
});

test('a disk without a target is passed over', () => {
  expect(diskOf("<disk><source file='/a'/></disk>")).toBeUndefined();
});

test('strings are cut to the length of a path', () => {
  const long = 'x'.repeat(100_000);
  const config = parseDomainXml(
    `<domain><os><type machine='${long}'>hvm</type></os><devices><disk><source file='/${long}'/><target dev='vda'/></disk></devices></domain>`,
  );
  expect(config.machine).toHaveLength(4096);
  expect(config.disks[0]?.source).toHaveLength(4096);
});

describe('refusals', () => {
  test('another document', () => {
    expect(() => parseDomainXml('<domainsnapshot/>')).toThrow(
      expect.objectContaining({
        code: 'ERR_XML_UNEXPECTED',
        message: 'expected a <domain> document, got <domainsnapshot>',
      }),
    );
  });

  test('nothing but XmlError is thrown for any string', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(() => parseDomainXml(text)).toThrow(XmlError);
      }),
    );
  });

  test('nothing but XmlError is thrown for a real document cut and changed anywhere', () => {
    const text = readFileSync(new URL('../../fixtures/domains/nbd.live.xml', import.meta.url), 'utf8');
    const position = fc.integer({ min: 0, max: text.length });
    fc.assert(
      fc.property(position, position, fc.string({ maxLength: 8 }), (from, to, put) => {
        try {
          parseDomainXml(text.slice(0, from) + put + text.slice(to));
        } catch (error) {
          expect(error).toBeInstanceOf(XmlError);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('what concerns the guest', () => {
  const devices = (xml: string) => parseDomainXml(`<domain><devices>${xml}</devices></domain>`);
  const channel = (target: string) => devices(`<channel type='unix'>${target}</channel>`).agentChannel;

  test.each([
    ["<target type='virtio' name='org.qemu.guest_agent.0' state='connected'/>", 'connected'],
    ["<target type='virtio' name='org.qemu.guest_agent.0' state='disconnected'/>", 'disconnected'],
    ["<target type='virtio' name='org.qemu.guest_agent.0'/>", 'disconnected'],
    ["<target type='virtio' name='com.redhat.spice.0' state='connected'/>", undefined],
    ['', undefined],
  ])('channel %s', (target, expected) => {
    expect(channel(target)).toBe(expected);
  });

  test.each([
    ["<memballoon model='virtio'><stats period='10'/></memballoon>", 10],
    ["<memballoon model='virtio'/>", 0],
    ["<memballoon model='none'/>", undefined],
    ['', undefined],
  ])('balloon %s', (xml, expected) => {
    expect(devices(xml).balloonPeriodSeconds).toBe(expected);
  });

  test.each([
    [`<d:guest xmlns:d='${OWN_NAMESPACE}' probe='off'/>`, true],
    [`<guest xmlns='${OWN_NAMESPACE}' probe='off'/>`, true],
    [`<guest xmlns='${OWN_NAMESPACE}' probe='on'/>`, false],
    ["<guest xmlns='http://example.org/' probe='off'/>", false],
    ["<guest probe='off'/>", false],
  ])('metadata %s', (xml, expected) => {
    expect(parseDomainXml(`<domain><metadata>${xml}</metadata></domain>`).guestProbeOff).toBe(expected);
  });
});

test('a disk whose limits are those of a throttle group, and one with limits of its own', () => {
  const { disks } = parseDomainXml(`<domain><devices>
    <disk><target dev='vda'/><iotune><total_bytes_sec>4000000</total_bytes_sec><group_name>slow</group_name></iotune></disk>
    <disk><target dev='vdb'/><iotune><total_iops_sec>100</total_iops_sec></iotune></disk>
  </devices></domain>`);
  expect(disks.map(({ ioTune, throttleGroup }) => [[...ioTune], throttleGroup])).toEqual([
    [[['total_bytes_sec', 4_000_000]], 'slow'],
    [[['total_iops_sec', 100]], undefined],
  ]);
});
