import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  canonicalMachine,
  emulatorsOf,
  machinesFor,
  parseCapabilities,
} from '../../../src/inventory/capabilities.ts';
import { XmlError } from '../../../src/inventory/xml.ts';

function capabilities(name: string) {
  return parseCapabilities(
    readFileSync(new URL(`../../fixtures/capabilities/${name}.xml`, import.meta.url), 'utf8'),
  );
}

const X86 = '/usr/bin/qemu-system-x86_64';

describe.each([
  ['debian12-libvirt9.0-qemu7.2', '7.2'],
  ['debian-sid-libvirt12.8-qemu11.1', '11.1'],
])('a real document, %s', (name, version) => {
  const real = capabilities(name);

  test('names the host and every emulator', () => {
    expect(real.hostArch).toBe('x86_64');
    expect(emulatorsOf(real, 'x86_64')).toEqual([X86]);
    expect(emulatorsOf(real, 'i686')).toEqual(['/usr/bin/qemu-system-i386']);
    expect(emulatorsOf(real, 's390x')).toEqual([]);
  });

  test.each(['qemu', 'kvm'])('lists the machines of domain type %s', (domainType) => {
    const rows = machinesFor(real, { arch: 'x86_64', domainType, emulator: X86 });
    expect(rows).toContainEqual({ name: 'q35', canonical: `pc-q35-${version}`, deprecated: false });
    expect(rows).toContainEqual({ name: `pc-q35-${version}`, canonical: undefined, deprecated: false });
    expect(rows).toContainEqual({ name: 'microvm', canonical: undefined, deprecated: false });
    expect(canonicalMachine(rows, 'pc')).toBe(`pc-i440fx-${version}`);
  });
});

test('deprecated types are those the emulator marks', () => {
  const deprecated = (name: string) =>
    machinesFor(capabilities(name), { arch: 'x86_64', domainType: 'qemu', emulator: X86 })
      ?.filter((row) => row.deprecated)
      .map((row) => row.name)
      .sort();
  expect(deprecated('debian12-libvirt9.0-qemu7.2')).toEqual([
    'pc-i440fx-1.4',
    'pc-i440fx-1.5',
    'pc-i440fx-1.6',
    'pc-i440fx-1.7',
  ]);
  const newer = deprecated('debian-sid-libvirt12.8-qemu11.1');
  expect(newer).toContain('pc-q35-5.2');
  expect(newer).toContain('pc-q35-8.1');
  expect(newer).not.toContain('pc-q35-8.2');
});

describe('machinesFor', () => {
  const nested = capabilities('nested-emulators');
  const names = (domainType: string, emulator: string | undefined) =>
    machinesFor(nested, { arch: 'x86_64', domainType, emulator })?.map((row) => row.name);

  test.each([
    ['qemu', X86, ['pc', 'pc-i440fx-2.5']],
    ['kvm', '/usr/bin/kvm-spice', ['pc', 'pc-i440fx-xenial']],
    ['xen', '/usr/lib/xen/bin/qemu-system-i386', ['pc', 'pc-i440fx-2.5']],
    ['kvm', X86, ['pc', 'pc-i440fx-2.5']],
    ['kvm', undefined, ['pc', 'pc-i440fx-xenial']],
    ['kvm', '/opt/qemu/bin/qemu-system-x86_64', undefined],
    ['hvf', undefined, undefined],
  ])('%s with %s', (domainType, emulator, expected) => {
    expect(names(domainType, emulator)).toEqual(expected);
  });

  test('knows nothing of an architecture that is not there', () => {
    expect(machinesFor(nested, { arch: 'riscv64', domainType: 'qemu', emulator: undefined })).toBeUndefined();
  });

  test('every emulator of an architecture, each once', () => {
    expect(emulatorsOf(nested, 'x86_64')).toEqual([
      X86,
      '/usr/bin/kvm-spice',
      '/usr/lib/xen/bin/qemu-system-i386',
    ]);
  });
});

test.each([
  ['rhel9-qemu-kvm', 'x86_64', 'kvm', 'pc', 'pc-i440fx-rhel7.6.0'],
  ['rhel9-qemu-kvm', 'x86_64', 'kvm', 'q35', 'pc-q35-rhel9.8.0'],
  ['ubuntu-noble', 'x86_64', 'kvm', 'ubuntu-q35', 'pc-q35-noble-v2'],
  ['ubuntu-noble', 'x86_64', 'kvm', 'pc', 'pc-i440fx-8.2'],
  ['aarch64-two-guests', 'aarch64', 'kvm', 'virt', 'virt-9.2'],
  ['aarch64-two-guests', 'armv7l', 'qemu', 'virt', 'virt-9.2'],
  ['aarch64-two-guests', 'x86_64', 'qemu', 'q35', 'pc-q35-9.2'],
  ['proxmox-like', 'x86_64', 'kvm', 'q35', 'pc-q35-9.2+pve1'],
  ['proxmox-like', 'x86_64', 'kvm', 'pc-q35-9.2+pve0', 'pc-q35-9.2+pve0'],
  ['proxmox-like', 'x86_64', 'kvm', 'pc-q35-2.0', 'pc-q35-2.0'],
])('%s: on %s/%s, %s stands for %s', (name, arch, domainType, machine, canonical) => {
  const rows = machinesFor(capabilities(name), { arch, domainType, emulator: undefined });
  expect(canonicalMachine(rows, machine)).toBe(canonical);
});

test('an alias of an unknown emulator stays as it is', () => {
  expect(canonicalMachine(undefined, 'q35')).toBe('q35');
});

test.each([
  ['<capabilities/>', { hostArch: undefined, guests: [] }],
  [
    '<capabilities><guest><arch name="x86_64"/></guest><guest/></capabilities>',
    { hostArch: undefined, guests: [{ arch: 'x86_64', osType: '', domains: [] }] },
  ],
  [
    '<capabilities><host><cpu><arch/></cpu></host><guest><arch/><arch name=""/></guest></capabilities>',
    { hostArch: undefined, guests: [] },
  ],
  [
    `<capabilities><guest><arch name="arm"><emulator/><machine/><machine>a b</machine><machine>ä</machine>
      <machine>${'x'.repeat(300)}</machine><machine canonical="">a</machine>
      <machine deprecated="maybe" maxCpus="-1">b</machine><domain/></arch></guest></capabilities>`,
    {
      hostArch: undefined,
      guests: [
        {
          arch: 'arm',
          osType: '',
          domains: [
            {
              type: '',
              emulator: undefined,
              machines: [
                { name: 'a', canonical: undefined, deprecated: false },
                { name: 'b', canonical: undefined, deprecated: false },
              ],
              lostSinceSeconds: undefined,
            },
          ],
        },
      ],
    },
  ],
])('a sparse document: %s', (text, expected) => {
  expect(parseCapabilities(text)).toEqual(expected);
});

test('another document is refused, and nothing but XmlError is ever thrown', () => {
  expect(() => parseCapabilities('<domain/>')).toThrow(
    expect.objectContaining({ code: 'ERR_XML_UNEXPECTED', message: expect.stringContaining('<domain>') }),
  );
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(() => parseCapabilities(text)).toThrow(XmlError);
    }),
  );
});
