import { expect, test } from '@jest/globals';
import { findDomainCgroups } from '../../../src/host/domain-cgroup.ts';
import { HYBRID, V1, V2 } from '../../fixtures/cgroups/hosts.ts';

const ROOT = '/sys/fs/cgroup';

test.each([
  ['version 1', V1, 1, ['cpu,cpuacct/machine.slice']],
  ['both versions', HYBRID, 1, ['cpu/machine']],
  ['version 2', V2, 2, ['machine.slice']],
] as const)('finds the groups of a domain on a host with %s', (_what, host, version, above) => {
  expect(findDomainCgroups(host.processCgroup, ROOT)).toEqual({
    pressure: host.unifiedDirectory && `${ROOT}/${host.unifiedDirectory}`,
    cpu: {
      version,
      directory: `${ROOT}/${host.cpuDirectory}`,
      above: above.map((path) => `${ROOT}/${path}`),
    },
  });
});

test('has the groups above the domain, nearest first', () => {
  const { cpu } = findDomainCgroups('0::/gold.slice/gold-vms.slice/machine-qemu\\x2d1\\x2dweb.scope\n', ROOT);
  expect(cpu?.above).toEqual([`${ROOT}/gold.slice/gold-vms.slice`, `${ROOT}/gold.slice`]);
});

test('a domain right below the root has no groups above', () => {
  expect(findDomainCgroups('0::/machine-qemu\\x2d1\\x2dweb.scope\n', ROOT).cpu?.above).toEqual([]);
});

test('counts pressure in version 2 where the controller cpu knows no domain in version 1', () => {
  const text = '2:cpu:/\n0::/machine/qemu-1-web.libvirt-qemu/emulator\n';
  expect(findDomainCgroups(text, ROOT)).toEqual({
    pressure: `${ROOT}/unified/machine/qemu-1-web.libvirt-qemu`,
    cpu: undefined,
  });
});

test.each([
  ['a user session', '0::/user.slice/user-1000.slice/session-1.scope\n'],
  ['the root', '0::/\n'],
  ['a path out of the cgroup namespace', '0::/../../machine.slice/machine-qemu\\x2d1\\x2dweb.scope\n'],
  ['no text', ''],
  ['another text', 'No such process'],
])('finds nothing in %s', (_what, text) => {
  expect(findDomainCgroups(text, ROOT)).toEqual({ pressure: undefined, cpu: undefined });
});
