import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { MAX_MACHINE_LENGTH, parseMachineType } from '../../../src/drift/machine-type.ts';
import { formatRelease } from '../../../src/drift/qemu-release.ts';

function brief(name: string): string {
  const { family, version, vendor, release, point, suffix } = parseMachineType(name);
  return [vendor, family, version, release === undefined ? '' : formatRelease(release), point, suffix].join(
    '|',
  );
}

describe('parseMachineType', () => {
  test.each([
    ['pc-q35-7.2', 'upstream|pc-q35|7.2|7.2|0|'],
    ['pc-i440fx-2.12', 'upstream|pc-i440fx|2.12|2.12|0|'],
    ['pc-q35-4.0.1', 'upstream|pc-q35|4.0.1|4.0|1|'],
    ['virt-10.1', 'upstream|virt|10.1|10.1|0|'],
    ['s390-ccw-virtio-2.9', 'upstream|s390-ccw-virtio|2.9|2.9|0|'],
    ['pseries-2.12-sxxm', 'upstream|pseries|2.12|2.12|0|sxxm'],
    ['pc-1.2', 'upstream|pc-i440fx|1.2|1.2|0|'],
    ['pc-0.10', 'upstream|pc-i440fx|0.10|0.10|0|'],
  ])('upstream %s', (name, expected) => {
    expect(brief(name)).toBe(expected);
  });

  test.each([
    ['pc-1.0-precise', 'ubuntu|pc-i440fx|1.0|1.0|0|precise'],
    ['pc-1.0-qemu-kvm', 'ubuntu|pc-i440fx|1.0|1.0|0|qemu-kvm'],
    ['pc-i440fx-1.5-saucy', 'ubuntu|pc-i440fx|1.5|1.5|0|saucy'],
    ['pc-q35-noble-v2', 'ubuntu|pc-q35|8.2|8.2|0|v2'],
    ['pc-q35-jammy-hpb-maxcpus', 'ubuntu|pc-q35|6.2|6.2|0|hpb-maxcpus'],
    ['pc-i440fx-hirsute-hpb', 'ubuntu|pc-i440fx|5.1|5.1|0|hpb'],
    ['pc-q35-hirsute-hpb', 'ubuntu|pc-q35|5.2|5.2|0|hpb'],
    ['pseries-bionic-sxxm', 'ubuntu|pseries|2.11|2.11|0|sxxm'],
    ['pc-i440fx-questing-v2', 'ubuntu|pc-i440fx|10.1|10.1|0|v2'],
    ['virt-noble', 'ubuntu|virt|8.2|8.2|0|'],
    ['virt-resolute', 'ubuntu|virt|10.2|10.2|0|'],
    ['virt-focal', 'ubuntu|virt|4.2|4.2|0|'],
  ])('Ubuntu %s', (name, expected) => {
    expect(brief(name)).toBe(expected);
  });

  test.each([
    ['trusty', '2.0', '2.0'],
    ['utopic', '2.1', '2.1'],
    ['vivid', '2.2', '2.2'],
    ['wily', '2.3', '2.3'],
    ['xenial', '2.5', '2.5'],
    ['yakkety', '2.6', '2.6'],
    ['zesty', '2.8', '2.8'],
    ['artful', '2.10', '2.10'],
    ['bionic', '2.11', '2.11'],
    ['cosmic', '2.12', '2.12'],
    ['disco', '3.1', '3.1'],
    ['eoan', '4.0', '4.0'],
    ['focal', '4.2', '4.0'],
    ['groovy', '5.0', '5.0'],
    ['hirsute', '5.2', '5.2'],
    ['impish', '6.0', '6.0'],
    ['jammy', '6.2', '6.2'],
    ['kinetic', '7.0', '7.0'],
    ['lunar', '7.2', '7.2'],
    ['mantic', '8.0', '8.0'],
    ['noble', '8.2', '8.2'],
    ['oracular', '9.0', '9.0'],
    ['plucky', '9.1', '9.2'],
    ['questing', '10.1', '10.0'],
    ['resolute', '10.2', '10.2'],
    ['stonking', '11.0', '11.0'],
  ])('Ubuntu %s is q35 %s and i440fx %s', (codename, q35, i440fx) => {
    expect(parseMachineType(`pc-q35-${codename}`).version).toBe(q35);
    expect(parseMachineType(`pc-i440fx-${codename}`).version).toBe(i440fx);
    expect(parseMachineType(`s390-ccw-virtio-${codename}`).vendor).toBe('ubuntu');
  });

  test.each([
    ['pc-q35-rhel9.4.0', 'pc-q35', '9.4.0', [9, 4, 0]],
    ['pc-q35-rhel9', 'pc-q35', '9', [9, 0, 0]],
    ['pc-q35-rhel', 'pc-q35', '', undefined],
    ['virt-rhel10.2.0', 'virt', '10.2.0', [10, 2, 0]],
    ['pc-i440fx-rhel7.6.0', 'pc-i440fx', '7.6.0', [7, 6, 0]],
    ['s390-ccw-virtio-rhel8.6.0', 's390-ccw-virtio', '8.6.0', [8, 6, 0]],
    ['pseries-rhel7.6.0-sxxm', 'pseries', '7.6.0', [7, 6, 0]],
    ['rhel6.6.0', 'pc-i440fx', '6.6.0', [6, 6, 0]],
  ])('RHEL %s', (name, family, version, vendorVersion) => {
    expect(parseMachineType(name)).toMatchObject({
      vendor: 'rhel',
      family,
      version,
      vendorVersion,
      release: undefined,
    });
  });

  test.each([
    ['pc-i440fx-vz7.3.0', 'virtuozzo|pc-i440fx|7.3.0||0|'],
    ['pc-i440fx-vz7.8.0', 'virtuozzo|pc-i440fx|7.8.0||0|'],
    ['pc-q35-vz', 'virtuozzo|pc-q35|||0|'],
    ['virt-kylin10.1', 'kylin|virt|10.1||0|'],
    ['pc-q35-kylin', 'kylin|pc-q35|||0|'],
    ['pc-q35-Kylin', 'kylin|pc-q35|||0|'],
    ['pc-q35-zzznew', 'zzznew|pc-q35|||0|'],
    ['pseries-acme2.0-hpb', 'acme|pseries|2.0||0|hpb'],
    ['pc-q35-8.2-acme1', 'acme|pc-q35|8.2|8.2|0|acme1'],
    ['pc-i440fx-2.8-vz7', 'virtuozzo|pc-i440fx|2.8|2.8|0|vz7'],
    ['s390-ccw-virtio-acme', 'acme|s390-ccw-virtio|||0|'],
    ['pc-q35-8.2-hpb-v2', 'upstream|pc-q35|8.2|8.2|0|hpb-v2'],
    // No vendor passes for another.
    ['pc-q35-upstream', 'unversioned|pc-q35-upstream|||0|'],
    ['pc-q35-proxmox8.2', 'unversioned|pc-q35-proxmox8.2|||0|'],
    ['pc-q35-8.2-proxmox', 'upstream|pc-q35|8.2|8.2|0|proxmox'],
  ])('another vendor: %s', (name, expected) => {
    expect(brief(name)).toBe(expected);
  });

  test.each([
    ['pc-q35-9.2+pve1', 'proxmox|pc-q35|9.2|9.2|0|+pve1'],
    ['pc-i440fx-8.1+pve0.pxe', 'proxmox|pc-i440fx|8.1|8.1|0|+pve0.pxe'],
    ['pc-i440fx-2.4.pxe', 'proxmox|pc-i440fx|2.4|2.4|0|.pxe'],
    ['virt-9.0+pve2', 'proxmox|virt|9.0|9.0|0|+pve2'],
    ['pc-1.3+pve0', 'proxmox|pc-i440fx|1.3|1.3|0|+pve0'],
  ])('Proxmox %s', (name, expected) => {
    expect(brief(name)).toBe(expected);
  });

  test.each([
    ...[
      'pc',
      'q35',
      'virt',
      'pseries',
      'ubuntu',
      'ubuntu-q35',
      'microvm',
      'isapc',
      'x-remote',
      'none',
      'nitro',
    ],
    ...['sbsa-ref', 'powernv9', 'powernv10', 'xenfv', 'xenfv-4.2', 'xenpv', 'raspi4b', 'virt+pve0', ''],
    ...['pc-q35', 'pc-q35-', 'pc-q35-7', 'pc-q35-7.2.1.1', 'pc-q35-7.2 ', 'PC-Q35-7.2', 'pc-q35-kylin 1'],
  ])('%p carries no version', (name) => {
    expect(parseMachineType(name)).toEqual({
      machine: name,
      family: name,
      version: '',
      vendor: 'unversioned',
      release: undefined,
      point: 0,
      vendorVersion: undefined,
      suffix: '',
    });
  });

  test('never throws, and bounds what it returns', () => {
    const likely = fc.stringMatching(/^(pc-q35|pc|virt|rhel)[-.0-9a-z+]{0,200}$/);
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary', maxLength: 400 }), likely), (name) => {
        const type = parseMachineType(name);
        expect(type.machine).toBe(name.slice(0, MAX_MACHINE_LENGTH));
        expect(Math.max(type.family.length, type.version.length, type.suffix.length)).toBeLessThanOrEqual(
          MAX_MACHINE_LENGTH,
        );
        expect(type.version === '' || type.vendor !== 'unversioned').toBe(true);
      }),
    );
  });

  test('takes linear time', () => {
    const started = performance.now();
    for (const piece of ['-a', '-', '1.', 'pc-q35-1.1-', 'a']) {
      parseMachineType(`pc-q35-1.1${piece.repeat(200_000)}!`);
    }
    expect(performance.now() - started).toBeLessThan(1000);
  });
});
