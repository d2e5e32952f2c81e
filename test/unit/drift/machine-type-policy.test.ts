import { describe, expect, test } from '@jest/globals';
import { parseMachineType } from '../../../src/drift/machine-type.ts';
import { policyDeprecated, releasesUntilRemoved, removedIn } from '../../../src/drift/machine-type-policy.ts';
import { formatRelease, parseQemuVersion } from '../../../src/drift/qemu-release.ts';

function archOf(machine: string): string {
  if (machine.startsWith('virt')) {
    return 'aarch64';
  }
  return machine.startsWith('pseries') ? 'ppc64' : machine.startsWith('s390') ? 's390x' : 'x86_64';
}

function isDeprecated(machine: string, version: string): boolean | undefined {
  const installed = parseQemuVersion(version);
  return installed && policyDeprecated(parseMachineType(machine), archOf(machine), installed);
}

describe('policyDeprecated', () => {
  // The newest deprecated type, and the next one, which is not.
  test.each([
    ['4.2.0', 'pc-0.15', 'pc-1.0'],
    ['5.2.0', 'pc-1.3', 'pc-i440fx-1.4'],
    ['7.0.0', 'pc-i440fx-1.7', 'pc-i440fx-2.0'],
    ['7.2.22', 'pc-i440fx-1.4', 'pc-q35-2.4'],
    ['8.1.0', 'pc-i440fx-1.7', 'pc-i440fx-2.0'],
    ['8.2.2', 'pc-i440fx-2.3', 'pc-i440fx-2.4'],
    ['9.0.0', 'pc-i440fx-2.0', 'pc-i440fx-2.4'],
    ['9.0.0', 'pseries-2.12-sxxm', 'pseries-3.0'],
    ['9.1.0', 'pc-q35-6.1', 'pc-q35-6.2'],
    ['9.2.0', 'pc-q35-6.2', 'pc-q35-7.0'],
    ['10.0.13', 'virt-7.0', 'virt-7.1'],
    ['10.0.50', 'virt-7.1', 'virt-7.2'],
    ['10.1.0', 'pc-q35-7.1', 'pc-q35-7.2'],
    ['10.2.0', 's390-ccw-virtio-7.2', 's390-ccw-virtio-8.0'],
    ['11.0.3', 'pc-i440fx-8.0', 'pc-i440fx-8.1'],
    ['11.1.3', 'pc-q35-8.1', 'pc-q35-8.2'],
    ['11.2.0', 'pc-q35-8.2', 'pc-q35-9.0'],
    ['12.0.0', 'pc-q35-9.0', 'pc-q35-9.1'],
  ])('QEMU %s deprecates %s, not yet %s', (version, yes, no) => {
    expect(isDeprecated(yes, version)).toBe(true);
    expect(isDeprecated(no, version)).toBe(false);
  });

  test.each(['pc-q35-focal', 'pc-q35-rhel8.4.0', 'microvm', 'virt'])('never %s', (machine) => {
    expect(isDeprecated(machine, '12.0.0')).toBe(false);
  });

  test('treats a Proxmox type as the upstream one', () => {
    expect(isDeprecated('pc-q35-7.0+pve1', '10.0.0')).toBe(true);
    expect(isDeprecated('pc-q35-7.1+pve1', '10.0.0')).toBe(false);
  });
});

function removal(machine: string, arch = archOf(machine)): string {
  const release = removedIn(parseMachineType(machine), arch);
  return release === undefined ? '' : formatRelease(release);
}

describe('removedIn', () => {
  test.each([
    ['pc-0.11', ''],
    ['pc-0.15', '5.0'],
    ['pc-1.0', '6.0'],
    ['pc-1.3', '6.0'],
    ['pc-i440fx-1.4', '8.2'],
    ['pc-i440fx-1.7', '8.2'],
    ['pc-i440fx-2.0', '9.1'],
    ['pc-i440fx-2.3', '9.1'],
    ['pc-i440fx-2.4', '10.1'],
    ['pc-q35-1.4', ''],
    ['pc-q35-2.3', ''],
    ['pc-q35-2.4', '10.1'],
    ['pc-q35-2.12', '10.1'],
    ['pc-q35-3.1', '10.1'],
    ['pc-q35-4.0.1', '10.1'],
    ['pc-q35-4.1', '10.1'],
    ['pc-q35-4.2', '10.2'],
    ['pc-q35-5.0', '11.0'],
    ['pc-q35-5.1', '11.1'],
    ['pc-q35-5.2', '11.2'],
    ['pc-q35-6.0', '12.0'],
    ['pc-q35-7.2', '13.2'],
    ['pc-q35-4.12', '11.0'],
    ['virt-2.6', '10.1'],
    ['virt-5.0', '11.0'],
    ['s390-ccw-virtio-2.8', '10.0'],
    ['s390-ccw-virtio-2.9', '10.1'],
    ['pseries-2.12-sxxm', '10.0'],
    ['pseries-3.0', '10.1'],
    ['pc-q35-9.2+pve1', '15.2'],
    ['pc-q35-noble', ''],
    ['pc-1.0-precise', ''],
    ['pc-q35-rhel9.4.0', ''],
    ['microvm', ''],
  ])('%s went or goes in %p', (machine, expected) => {
    expect(removal(machine)).toBe(expected);
  });

  test.each([
    ['i686', '11.2'],
    ['riscv64', ''],
    ['', ''],
  ])('on %p it is %p', (arch, expected) => {
    expect(removal('pc-q35-5.2', arch)).toBe(expected);
  });
});

describe('releasesUntilRemoved', () => {
  test.each([
    ['7.2.22', 'pc-q35-3.1', 8],
    ['10.0.0', 'pc-q35-3.1', 1],
    ['10.0.50', 'pc-q35-3.1', 0],
    ['10.1.0', 'pc-q35-3.1', 0],
    ['10.2.0', 'pc-q35-3.1', -1],
    ['7.2.22', 'pc-i440fx-1.7', 3],
    ['7.2.22', 'pc-q35-7.2', 18],
    ['10.0.0', 'virt-5.0', 3],
    ['10.0.0', 'pc-q35-noble', undefined],
    ['10.0.0', 'microvm', undefined],
    ['10.0.0', 'pc-q35-2.3', undefined],
  ])('on QEMU %s the type %s has %p left', (version, machine, expected) => {
    const installed = parseQemuVersion(version);
    expect(installed && releasesUntilRemoved(parseMachineType(machine), archOf(machine), installed)).toBe(
      expected,
    );
  });
});
