import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { emulatorBlocks, firmwareBlocks } from '../../../src/drift/start-blocked.ts';
import {
  type Capabilities,
  parseCapabilities,
  withLostEmulators,
} from '../../../src/inventory/capabilities.ts';
import { NO_DISK_EVENTS } from '../../../src/inventory/disk-events.ts';
import { parseDomainXml } from '../../../src/inventory/domain-xml.ts';
import type { DomainView } from '../../../src/inventory/inventory.ts';
import { NO_EVENTS } from '../../../src/inventory/lifecycle-events.ts';
import { HostFiles } from '../../../src/snapshot/host-files.ts';
import { createNextStart, nextConfig } from '../../../src/snapshot/next-start.ts';

let directory: string;
let listed: string;
let loader: string;
let template: string;
let store: string;

const capabilitiesOf = (...emulators: string[]): Capabilities =>
  parseCapabilities(
    `<capabilities>${emulators
      .map(
        (emulator) => `<guest><arch name='x86_64'><emulator>${emulator}</emulator><machine>q35</machine>
          <domain type='kvm'/></arch></guest>`,
      )
      .join('')}</capabilities>`,
  );

const configOf = (emulator: string, os = '', machine = 'pc-q35-7.2') =>
  parseDomainXml(`<domain type='kvm'><os><type arch='x86_64' machine='${machine}'>hvm</type>${os}</os>
    <devices><emulator>${emulator}</emulator></devices></domain>`);

const viewOf = (changes: Partial<DomainView>): DomainView => ({
  uuid: '00000000-0000-4000-8000-000000000001',
  name: 'vm',
  id: -1,
  state: 5,
  current: undefined,
  persistent: undefined,
  events: NO_EVENTS,
  problem: undefined,
  startedWithVersion: undefined,
  startObservedSeconds: undefined,
  startObserved: true,
  managedSave: 'none',
  reason: 0,
  persistentAtStart: undefined,
  snapshots: undefined,
  diskEvents: NO_DISK_EVENTS,
  ...changes,
});

/** Whether emulator and firmware block the next start. */
async function blocked(
  view: DomainView,
  capabilities: Capabilities,
  hostFiles = new HostFiles(),
): Promise<(boolean | undefined)[]> {
  const next = nextConfig(view);
  const { forStarts } = await hostFiles.check(capabilities, [], next === undefined ? [] : [next]);
  const { emulator, firmware } = createNextStart(capabilities, forStarts)(view);
  return [emulatorBlocks(emulator), firmwareBlocks(firmware)];
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'next-start-'));
  listed = join(directory, 'qemu-system-x86_64');
  loader = join(directory, 'OVMF_CODE.fd');
  template = join(directory, 'OVMF_VARS.fd');
  store = join(directory, 'vm_VARS.fd');
  await writeFile(listed, '', { mode: 0o755 });
  for (const file of [loader, template]) await writeFile(file, '');
});

afterEach(() => rm(directory, { recursive: true }));

describe('the configuration that the next start uses', () => {
  const [old, edited] = [configOf('/q', '', 'pc-q35-3.1'), configOf('/q', '', 'pc-q35-7.2')];

  test.each<[string, Partial<DomainView>, string | undefined]>([
    ['of a domain that is shut off', { current: edited }, 'pc-q35-7.2'],
    ['of a running domain is the persistent one', { id: 1, current: old, persistent: edited }, 'pc-q35-7.2'],
    ['of a transient domain', { id: 1, current: old }, 'pc-q35-3.1'],
    ['is that of a saved image', { current: edited, managedSave: { config: old } }, 'pc-q35-3.1'],
    ['in an unreadable image is unknown', { current: edited, managedSave: { config: undefined } }, undefined],
    ['where the images are unknown', { current: edited, managedSave: undefined }, 'pc-q35-7.2'],
    ['of a domain that cannot be read', {}, undefined],
    [
      'without a machine in the persistent one',
      { id: 1, current: old, persistent: configOf('/q', '', '') },
      'pc-q35-3.1',
    ],
  ])('%s', (_, changes, machine) => {
    expect(nextConfig(viewOf(changes))?.machine).toBe(machine);
  });
});

describe('the emulator', () => {
  test('that is there does not block', async () => {
    expect(await blocked(viewOf({ current: configOf(listed) }), capabilitiesOf(listed))).toEqual([
      false,
      false,
    ]);
  });

  test('of a path of its own that is gone blocks', async () => {
    const own = join(directory, 'own');
    const view = viewOf({ current: configOf(own) });
    expect(await blocked(view, capabilitiesOf(listed))).toEqual([true, false]);
    await writeFile(own, '', { mode: 0o755 });
    expect(await blocked(view, capabilitiesOf(listed))).toEqual([false, false]);
  });

  test('that lost its right to be executed blocks', async () => {
    await chmod(listed, 0o644);
    expect(await blocked(viewOf({ current: configOf(listed) }), capabilitiesOf(listed))).toEqual([
      true,
      false,
    ]);
  });

  test('that libvirt cannot run blocks, though its file is there', async () => {
    const lost = withLostEmulators({ hostArch: undefined, guests: [] }, capabilitiesOf(listed), 1, 60);
    expect(await blocked(viewOf({ current: configOf(listed) }), lost)).toEqual([true, false]);
  });

  test('that was seen once and is gone blocks, also where it was the only one', async () => {
    const files = new HostFiles();
    const view = viewOf({ current: configOf(listed) });
    await blocked(view, capabilitiesOf(listed), files);
    await rm(listed);
    expect(await blocked(view, capabilitiesOf(listed), files)).toEqual([true, false]);
  });

  test('of the saved image counts, not that of the definition', async () => {
    const view = viewOf({
      current: configOf(listed),
      managedSave: { config: configOf(join(directory, 'kvm-spice')) },
    });
    expect(await blocked(view, capabilitiesOf(listed))).toEqual([true, false]);
  });

  test('of a domain without one, or whose configuration is unknown, is unknown', async () => {
    const none = parseDomainXml('<domain/>');
    expect(await blocked(viewOf({ current: none }), capabilitiesOf(listed))).toEqual([undefined, false]);
    expect(await blocked(viewOf({}), capabilitiesOf(listed))).toEqual([undefined, undefined]);
  });
});

describe('the firmware', () => {
  const efi = () => `<loader>${loader}</loader><nvram template='${template}'>${store}</nvram>`;

  test.each<[string, () => readonly string[], boolean]>([
    ['all there', () => [], false],
    ['without its loader', () => [loader], true],
    ['without the template, before the first start', () => [template], true],
  ])('%s', async (_, gone, blocks) => {
    for (const file of gone()) await rm(file);
    const view = viewOf({ current: configOf(listed, efi()) });
    expect(await blocked(view, capabilitiesOf(listed))).toEqual([false, blocks]);
  });

  test('without the template does not block once the domain has its store', async () => {
    await rm(template);
    await writeFile(store, '');
    expect(await blocked(viewOf({ current: configOf(listed, efi()) }), capabilitiesOf(listed))).toEqual([
      false,
      false,
    ]);
  });
});

test('where the exporter does not see the files of the host, nothing is said to be missing', async () => {
  const capabilities = capabilitiesOf('/nowhere/qemu-system-x86_64');
  const efi = `<loader>/nowhere/CODE.fd</loader>`;
  const seen = (emulator: string, os: string) =>
    blocked(viewOf({ current: configOf(emulator, os) }), capabilities);
  expect(await seen('/nowhere/qemu-system-x86_64', efi)).toEqual([false, undefined]);
  expect(await seen('/nowhere/own', '')).toEqual([undefined, false]);
});

test('where libvirt runs in a root directory of its own, nothing is said of its files', async () => {
  const files = new HostFiles();
  files.noteBinary(listed, listed);
  files.noteBinary('/usr/bin/qemu-system-x86_64', '/usr/bin/kvm');
  const view = viewOf({ current: configOf(listed, '<loader>/nowhere/CODE.fd</loader>') });
  expect(await blocked(view, capabilitiesOf(listed), files)).toEqual([false, true]);
  files.noteBinary(`/srv/chroot${listed}`, listed);
  expect(await blocked(view, capabilitiesOf(listed), files)).toEqual([false, undefined]);
});
