import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { hypervisorCollector } from '../../../src/collectors/hypervisor.ts';
import { machineTypeCollector } from '../../../src/collectors/machine-type.ts';
import { nextStartCollector } from '../../../src/collectors/next-start.ts';
import { parseCapabilities } from '../../../src/inventory/capabilities.ts';
import type { DomainConfig } from '../../../src/inventory/domain-config.ts';
import type { ManagedSave } from '../../../src/inventory/managed-saves.ts';
import { writeFamily } from '../../../src/metrics/exposition.ts';
import { createNextStart } from '../../../src/snapshot/next-start.ts';
import { Exposition } from '../../../testbed/exposition.ts';
import { textOf } from '../metrics/text.ts';
import { FIXED_INVENTORY } from './fixed-inventory.ts';

interface Host {
  readonly capabilities: string;
  readonly version?: string;
  readonly libvirtVersion?: string;
}

/** What is served of a domain `vm`, shut off, on a host with these recorded capabilities. */
function served(
  host: Host,
  changes: Partial<DomainConfig>,
  managedSave: ManagedSave | 'none' = 'none',
): Exposition {
  const [base] = FIXED_INVENTORY.domains;
  if (base?.current === undefined) throw new Error('the fixed inventory begins with no domain');
  const xml = readFileSync(
    new URL(`../../fixtures/capabilities/${host.capabilities}.xml`, import.meta.url),
    'utf8',
  );
  const capabilities = parseCapabilities(xml);
  const view = {
    ...base,
    name: 'vm',
    id: -1,
    current: { ...base.current, emulator: undefined, ...changes },
    persistent: undefined,
    managedSave,
  };
  const snapshot = {
    ...FIXED_INVENTORY,
    hypervisor: {
      version: host.version,
      versionReadAt: undefined,
      libvirtVersion: host.libvirtVersion ?? '10.0.0',
      capabilities,
      problems: [],
    },
    domains: [{ ...view, nextStart: createNextStart(capabilities, new Map())(view) }],
  };
  return new Exposition(
    textOf((out) => {
      for (const collector of [hypervisorCollector, machineTypeCollector, nextStartCollector])
        for (const family of collector.collect(snapshot)) writeFamily(out, family);
    }),
  );
}

const INFO = 'libvirt_domain_machine_type_info';
const END = 'libvirt_domain_machine_type_end_info';
const DEPRECATED = 'libvirt_domain_machine_type_deprecated';
const UBUNTU: Host = { capabilities: 'ubuntu-noble', version: '8.2.2' };
const RHEL: Host = { capabilities: 'rhel9-qemu-kvm', version: '9.1.0', libvirtVersion: '10.10.0' };

test("RHEL's i440fx ends, and q35 is what to move to", () => {
  const seen = served(RHEL, { machine: 'pc-i440fx-rhel7.6.0' });
  expect(seen.labels(INFO)).toMatchObject({
    vendor: 'rhel',
    latest: 'pc-i440fx-rhel7.6.0',
    removed_in: '',
  });
  const end = { domain: 'vm', successor: 'pc-q35-rhel9.8.0', removed_in_distribution: 'RHEL 10' };
  expect(seen.labels(END)).toEqual(end);
  expect(seen.value(DEPRECATED)).toBe(1);
});

test.each([
  ['pc-q35-jammy', { vendor: 'ubuntu', version: '6.2', removed_in: '' }, 'Ubuntu 27.10'],
  ['pc-q35-6.2', { vendor: 'upstream', removed_in: '12.2' }, undefined],
  ['pc-i440fx-vz7.3.0', { vendor: 'virtuozzo', version: '7.3.0', latest: '' }, undefined],
  ['pc-q35-rhel', { vendor: 'rhel', version: '', latest: '' }, undefined],
  ['pc-q35-kylin10.1', { vendor: 'kylin', version: '10.1' }, undefined],
])('on Ubuntu, %s', (machine, labels, removedInDistribution) => {
  const seen = served(UBUNTU, { machine });
  expect(seen.labels(INFO)).toMatchObject(labels);
  expect(seen.labels(END)?.removed_in_distribution || undefined).toBe(removedInDistribution);
});

test('every type that the emulators of a host support is served once, aliases are not', () => {
  const seen = served(UBUNTU, { machine: 'pc-q35-jammy' });
  const types = seen.all('libvirt_hypervisor_machine_type_info');
  expect(types.length).toBeGreaterThan(5);
  const keys = types.map(({ labels }) => [labels.arch, labels.emulator, labels.machine].join(' '));
  expect(new Set(keys).size).toBe(keys.length);
  const machines = types.map(({ labels }) => labels.machine);
  expect(machines).not.toContain('ubuntu-q35');
  expect(machines).toContain('pc-q35-noble-v2');
});

describe('an old libvirt, which does not pass on the marks of deprecated types', () => {
  const old: Host = { capabilities: 'aarch64-two-guests', version: '9.2.0', libvirtVersion: '7.0.0' };
  const foreign = { arch: 'x86_64', type: 'qemu', machine: 'pc-q35-9.2' };

  test('leaves it open for a foreign architecture, whose QEMU version is unknown', () => {
    expect(served(old, foreign).all(DEPRECATED)).toEqual([]);
    const counts = served(old, foreign).all('libvirt_hypervisor_machine_types', { arch: 'x86_64' });
    expect(new Set(counts.map(({ labels }) => labels.status))).toEqual(new Set(['unknown']));
    const types = served(old, foreign).all('libvirt_hypervisor_machine_type_info', { arch: 'x86_64' });
    expect(new Set(types.map(({ labels }) => labels.status))).toEqual(new Set(['unknown']));
  });

  test.each([
    ['a newer libvirt', { ...old, libvirtVersion: '8.0.0' }, foreign, 0],
    ["the host's own architecture, by policy", old, { arch: 'aarch64', machine: 'virt-9.2' }, 0],
    [
      'a type without a policy',
      { ...RHEL, libvirtVersion: '7.6.0' },
      { machine: 'pc-q35-rhel9.6.0' },
      undefined,
    ],
  ])('but not with %s', (_, host, config, expected) => {
    expect(served(host, config).all(DEPRECATED)[0]?.value).toBe(expected);
  });
});

describe('a managed save image', () => {
  const [base] = FIXED_INVENTORY.domains;
  const imageOf = (machine: string): ManagedSave => ({
    config: base?.current && { ...base.current, emulator: undefined, machine },
  });
  const SUPPORTED = 'libvirt_domain_machine_type_supported';
  const blocked = (seen: Exposition) =>
    seen.all('libvirt_domain_start_blocked', { reason: 'machine_type' })[0]?.value;

  test('on a type that is gone fails to start, whatever the definition says', () => {
    const seen = served(RHEL, { machine: 'pc-q35-rhel9.8.0' }, imageOf('pc-q35-3.1'));
    expect(seen.labels(INFO)?.machine).toBe('pc-q35-3.1');
    expect([seen.value(SUPPORTED), blocked(seen), seen.value('libvirt_domain_managed_save')]).toEqual([
      0, 1, 1,
    ]);
  });

  test('that cannot be read leaves it open whether the domain starts', () => {
    const seen = served(RHEL, { machine: 'pc-q35-3.1' }, { config: undefined });
    expect(seen.labels(INFO)?.machine).toBe('pc-q35-3.1');
    expect([seen.all(SUPPORTED), blocked(seen)]).toEqual([[], undefined]);
    expect(seen.value('libvirt_domain_managed_save')).toBe(1);
  });
});
