import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { configAdvice } from '../../../src/drift/config-advice.ts';
import type { GuestOs } from '../../../src/guest/guest-sample.ts';
import { parseDomainXml } from '../../../src/inventory/domain-xml.ts';

/** A domain without anything to advise, but for what a test puts in. */
function domain({
  devices = '',
  features = '',
  cpu = "<cpu mode='host-passthrough'/>",
  declared = '',
  type = 'kvm',
  arch = 'x86_64',
  usual = "<memballoon model='virtio'/><channel type='unix'><target name='org.qemu.guest_agent.0'/></channel>",
} = {}): string {
  const metadata = `<metadata><l:libosinfo xmlns:l='http://libosinfo.org/xmlns/libvirt/domain/1.0'><l:os id='${declared}'/>
    </l:libosinfo></metadata>`;
  return `<domain type='${type}'>${metadata}<os><type arch='${arch}' machine='pc-q35-7.2'>hvm</type></os>
    <features><acpi/>${features}</features>${cpu}<devices>${usual}${devices}</devices></domain>`;
}

const advice = (changes: Parameters<typeof domain>[0], detected?: Partial<GuestOs>) =>
  configAdvice(parseDomainXml(domain(changes)), detected as GuestOs | undefined);

const nic = (model: string) => `<interface type='network'><source network='default'/>${model}</interface>`;
const disk = (bus: string, more = '', device = 'disk') =>
  `<disk type='file' device='${device}'>${more}<source file='/d.img'/><target dev='sda' bus='${bus}'/></disk>`;
const scsi = (model: string) => `<controller type='scsi' index='0' model='${model}'/>`;

test('a domain with all of virtio gets no advice', () => {
  const devices = nic("<model type='virtio'/>") + disk('virtio') + disk('sata', '', 'cdrom');
  expect(advice({ devices })).toEqual([]);
});

describe('interfaces', () => {
  test.each(['rtl8139', 'e1000', 'e1000e', 'igb', 'vmxnet3'])('%s is not virtio', (model) => {
    expect(advice({ devices: nic(`<model type='${model}'/>`) })).toEqual(['nic_not_virtio']);
  });

  test.each(['virtio', 'virtio-transitional', 'virtio-non-transitional'])('%s is virtio', (model) => {
    expect(advice({ devices: nic(`<model type='${model}'/>`) })).toEqual([]);
  });

  test('one that belongs to a device of the host has no model', () => {
    expect(advice({ devices: "<interface type='hostdev' managed='yes'/>" })).toEqual([]);
  });
});

describe('disks', () => {
  test.each(['ide', 'sata', 'usb', 'nvme', 'sd'])('bus %s is not virtio', (bus) => {
    expect(advice({ devices: disk(bus) })).toEqual(['disk_not_virtio']);
  });

  test.each([
    ['lsilogic', ['disk_not_virtio']],
    ['virtio-scsi', []],
    ['virtio-non-transitional', []],
  ])('bus scsi on a controller %s: %j', (model, expected) => {
    expect(advice({ devices: disk('scsi') + scsi(model) })).toEqual(expected);
  });

  test('bus scsi is not advised against where the controller is unknown', () => {
    expect(advice({ devices: disk('scsi') })).toEqual([]);
  });

  test.each(['cdrom', 'floppy'])('a %s drive has no fast bus', (device) => {
    expect(advice({ devices: disk('ide', "<driver cache='writethrough'/>", device) })).toEqual([]);
  });

  test.each([
    ['writethrough', ['cache_writethrough']],
    ['directsync', ['cache_writethrough']],
    ['none', []],
    ['writeback', []],
    ['unsafe', []],
  ])('cache %s: %j', (cache, expected) => {
    expect(advice({ devices: disk('virtio', `<driver name='qemu' cache='${cache}'/>`) })).toEqual(expected);
  });
});

describe('the CPU', () => {
  test.each([
    ['none', '', true],
    ['only a topology', "<cpu><topology sockets='1' cores='2' threads='1'/></cpu>", true],
    ['qemu64', "<cpu mode='custom' match='exact'><model fallback='forbid'>qemu64</model></cpu>", true],
    ['kvm64 without a mode', "<cpu match='exact'><model>kvm64</model></cpu>", true],
    ['a real one', "<cpu mode='custom'><model>Skylake-Server-IBRS</model></cpu>", false],
    ['host-model', "<cpu mode='host-model'/>", false],
    ['maximum', "<cpu mode='maximum'/>", false],
  ])('%s', (_what, cpu, isGeneric) => {
    expect(advice({ cpu })).toEqual(isGeneric ? ['cpu_model_generic'] : []);
  });

  test.each([
    ['an emulated domain', { type: 'qemu' }],
    ['another architecture', { arch: 'aarch64' }],
  ])('of %s is as good as any', (_what, changes) => {
    expect(advice({ cpu: '', ...changes })).toEqual([]);
  });
});

describe('Windows without enlightenments', () => {
  const windows = 'http://microsoft.com/win/2k22';
  const hyperv = (inner: string, mode = 'custom') => `<hyperv mode='${mode}'>${inner}</hyperv>`;

  test.each([
    ['none', '', true],
    ['all off', hyperv("<relaxed state='off'/>"), true],
    ['an empty element', '<hyperv/>', true],
    ['one', hyperv("<relaxed state='on'/><vapic state='off'/>"), false],
    ['one, by an old libvirt', "<hyperv><relaxed state='on'/></hyperv>", false],
    ["the host's", hyperv('', 'passthrough'), false],
  ])('%s', (_what, features, isAdvised) => {
    expect(advice({ declared: windows, features })).toEqual(isAdvised ? ['windows_without_hyperv'] : []);
  });

  test('is by the system that runs, where its agent has named it', () => {
    expect(advice({ declared: windows }, { id: 'debian' })).toEqual([]);
    expect(advice({ declared: 'http://debian.org/debian/12' }, { id: 'mswindows' })).toEqual([
      'windows_without_hyperv',
    ]);
    expect(advice({ declared: windows }, {})).toEqual(['windows_without_hyperv']);
  });
});

test.each([
  [
    'no balloon',
    "<memballoon model='none'/><channel><target name='org.qemu.guest_agent.0'/></channel>",
    'no_balloon',
  ],
  ['no agent channel', "<memballoon model='virtio'/>", 'no_agent_channel'],
])('%s', (_what, usual, expected) => {
  expect(advice({ usual })).toEqual([expected]);
});

test.each([['xenpv'], ['exe']])('a domain of type %s has none of these devices', (osType) => {
  const xml = domain({ cpu: '', usual: '' }).replace('>hvm<', `>${osType}<`);
  expect(configAdvice(parseDomainXml(xml), undefined)).toEqual([]);
});

test('recorded domains, live and stored, get the same advice', () => {
  const of = (name: string) =>
    configAdvice(parseDomainXml(readFileSync(`test/fixtures/domains/${name}.xml`, 'utf8')), undefined);
  expect(of('buses.live')).toEqual(of('buses.inactive'));
  expect(of('buses.live')).toContain('disk_not_virtio');
});
