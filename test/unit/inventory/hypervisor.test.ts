import { describe, expect, test } from '@jest/globals';
import {
  listedEmulators,
  machinesFor,
  parseCapabilities,
  withLostEmulators,
} from '../../../src/inventory/capabilities.ts';
import { createVersionLookup, type HypervisorInfo } from '../../../src/inventory/hypervisor.ts';
import { XdrWriter } from '../../../src/libvirt/xdr.ts';
import type { IncomingCall } from '../../support/fake-libvirtd.ts';
import { domain, setUp } from './set-up.ts';

const GET_VERSION = 4;
const GET_CAPABILITIES = 7;
const X86 = '/usr/bin/qemu-system-x86_64';
const ARM = '/usr/bin/qemu-system-aarch64';

const guest = (arch: string, emulator: string, ...machines: string[]): string =>
  `<guest><os_type>hvm</os_type><arch name='${arch}'><emulator>${emulator}</emulator>${machines
    .map((name) => `<machine>${name}</machine>`)
    .join('')}<domain type='qemu'/><domain type='kvm'/></arch></guest>`;
const document = (...guests: string[]): string =>
  `<capabilities><host><cpu><arch>x86_64</arch></cpu></host>${guests.join('')}</capabilities>`;

const WHOLE = document(guest('x86_64', X86, 'pc-q35-7.2'), guest('aarch64', ARM, 'virt-7.2'));

const statesOf = (info: HypervisorInfo | undefined): Record<string, boolean> =>
  Object.fromEntries(
    (info?.capabilities === undefined ? [] : listedEmulators(info.capabilities)).map(
      ({ emulator, isAvailable }) => [emulator, isAvailable],
    ),
  );
const machinesOf = (info: HypervisorInfo | undefined, arch = 'x86_64'): string[] | undefined =>
  info?.capabilities &&
  machinesFor(info.capabilities, { arch, domainType: 'kvm', emulator: undefined })?.map(({ name }) => name);

describe('while the emulator is being replaced and cannot be run', () => {
  /** libvirt 9.0 as recorded: an error for the version, and a document without the emulator. */
  async function upgrading(broken: () => boolean, rest = document()) {
    return setUp([domain(1)], {
      first: ({ procedure, reply, fail }: IncomingCall) => {
        if (procedure === GET_VERSION && broken()) {
          fail(1, 'internal error: Cannot find suitable emulator for x86_64');
          return true;
        }
        if (procedure !== GET_CAPABILITIES) return false;
        reply(new XdrWriter().string(broken() ? rest : WHOLE).finish());
        return true;
      },
    });
  }

  test('what was known stays, marked, until libvirt can run it again', async () => {
    let isBroken = false;
    const { inventory, snapshot } = await upgrading(() => isBroken);
    expect((await snapshot()).hypervisor?.versionReadAt).toEqual(expect.any(Number));

    isBroken = true;
    await inventory.refreshHypervisor();
    const { hypervisor } = await snapshot();
    expect(hypervisor).toMatchObject({ version: '7.2.22', versionReadAt: undefined });
    expect(machinesOf(hypervisor)).toEqual(['pc-q35-7.2']);
    expect(statesOf(hypervisor)).toEqual({ [X86]: false, [ARM]: false });

    isBroken = false;
    await inventory.retryFailed();
    await inventory.refreshHypervisor();
    const after = (await snapshot()).hypervisor;
    expect(after?.versionReadAt).toEqual(expect.any(Number));
    expect(statesOf(after)).toEqual({ [X86]: true, [ARM]: true });
  });

  test('the emulator of another architecture alone is marked, and looked for again', async () => {
    let isBroken = false;
    const { inventory, snapshot, callsSince } = await setUp([domain(1)], {
      first: ({ procedure, reply }: IncomingCall) => {
        if (procedure !== GET_CAPABILITIES) return false;
        reply(
          new XdrWriter().string(isBroken ? document(guest('x86_64', X86, 'pc-q35-7.2')) : WHOLE).finish(),
        );
        return true;
      },
    });
    await snapshot();
    isBroken = true;
    await inventory.refreshHypervisor();
    const { hypervisor } = await snapshot();
    expect(machinesOf(hypervisor, 'aarch64')).toEqual(['virt-7.2']);
    expect(hypervisor?.versionReadAt).toEqual(expect.any(Number));
    callsSince();
    isBroken = false;
    await inventory.retryFailed();
    await inventory.refreshHypervisor();
    expect(callsSince()).toContain(GET_CAPABILITIES);
    expect(statesOf((await snapshot()).hypervisor)).toEqual({ [X86]: true, [ARM]: true });
  });

  test('nothing is known where nothing was known before', async () => {
    const { snapshot } = await upgrading(() => true);
    expect((await snapshot()).hypervisor).toMatchObject({ version: undefined, versionReadAt: undefined });
  });
});

describe('withLostEmulators', () => {
  const before = parseCapabilities(WHOLE);
  const without = parseCapabilities(document(guest('x86_64', X86, 'pc-q35-10.0')));
  const names = (capabilities: ReturnType<typeof parseCapabilities>) =>
    capabilities.guests.flatMap(({ arch, domains }) =>
      domains.map(({ type, machines, lostSinceSeconds }) =>
        [arch, type, ...machines.map(({ name }) => name), lostSinceSeconds ?? ''].join(' ').trim(),
      ),
    );

  test('keeps what is lost for as long as it may, and nothing beside a new list', () => {
    const lost = withLostEmulators(without, before, 1_000, 60);
    expect(names(lost)).toEqual([
      'x86_64 qemu pc-q35-10.0',
      'x86_64 kvm pc-q35-10.0',
      'aarch64 qemu virt-7.2 1000',
      'aarch64 kvm virt-7.2 1000',
    ]);
    expect(names(withLostEmulators(without, lost, 1_059, 60))).toEqual(names(lost));
    expect(names(withLostEmulators(without, lost, 1_060, 60))).toHaveLength(2);
  });

  test('a domain type that is gone from an emulator that runs is gone', () => {
    const tcg = parseCapabilities(WHOLE.replaceAll("<domain type='kvm'/>", ''));
    expect(names(withLostEmulators(tcg, before, 1_000, 60))).toEqual([
      'x86_64 qemu pc-q35-7.2',
      'aarch64 qemu virt-7.2',
    ]);
  });
});

describe('createVersionLookup', () => {
  const capabilities = parseCapabilities(WHOLE);

  test.each([
    ['x86_64', X86, '7.2.22'],
    ['x86_64', undefined, '7.2.22'],
    // A 32-bit guest on the same binary.
    ['i686', X86, '7.2.22'],
    ['i686', undefined, undefined],
    ['aarch64', ARM, undefined],
    ['aarch64', undefined, undefined],
    ['x86_64', '/opt/qemu', undefined],
  ])('%s %s: %s', (arch, emulator, version) => {
    expect(createVersionLookup({ version: '7.2.22', capabilities })({ arch, emulator })).toBe(version);
  });

  test.each([
    [{ version: undefined, capabilities }],
    [{ version: '7.2.22', capabilities: undefined }],
    [{ version: '7.2.22', capabilities: { hostArch: undefined, guests: [] } }],
    [undefined],
  ])('knows nothing of %j', (hypervisor) => {
    expect(createVersionLookup(hypervisor)({ arch: 'x86_64', emulator: X86 })).toBeUndefined();
  });
});

test.each([
  ['0000000000000000', undefined],
  ['ffffffffffffffff', undefined],
  ['7fffffffffffffff', undefined],
  ['00000000006ad7a6', '7.2.22'],
])('a version %s is %s', async (bytes, version) => {
  const { snapshot } = await setUp([domain(1)], {
    first: ({ procedure, reply }: IncomingCall) => {
      if (procedure !== GET_VERSION) return false;
      reply(Buffer.from(bytes, 'hex'));
      return true;
    },
  });
  expect((await snapshot()).hypervisor?.version).toBe(version);
});
