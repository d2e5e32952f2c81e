import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { EmulatorFiles } from '../../../src/host/emulator-files.ts';
import {
  emulatorsOf,
  machinesFor,
  parseCapabilities,
  withEmulatorPaths,
} from '../../../src/inventory/capabilities.ts';
import { parseDomainXml } from '../../../src/inventory/domain-xml.ts';
import { findEmulatorPaths } from '../../../src/snapshot/emulator-paths.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'emulator-paths-'));
});

afterEach(() => rm(directory, { recursive: true }));

const capabilitiesOf = (emulator: string) =>
  parseCapabilities(`<capabilities><host><cpu><arch>x86_64</arch></cpu></host><guest><os_type>hvm</os_type>
    <arch name='x86_64'><emulator>${emulator}</emulator><machine>pc-q35-7.2</machine><machine>pc-q35-3.1</machine>
    <domain type='qemu'/><domain type='kvm'/></arch></guest></capabilities>`);

const configOf = (emulator: string) =>
  parseDomainXml(
    `<domain type='kvm'><os><type arch='x86_64' machine='pc-q35-3.1'>hvm</type></os>
    <devices><emulator>${emulator}</emulator></devices></domain>`,
  );

test('a link to a listed emulator is that emulator, another file is not', async () => {
  const [listed, link, other] = ['qemu-system-x86_64', 'link', 'other'].map((name) => join(directory, name));
  if (listed === undefined || link === undefined || other === undefined) throw new Error('no paths');
  await writeFile(listed, 'one');
  await writeFile(other, 'another');
  await symlink(listed, link);
  const capabilities = capabilitiesOf(listed);
  const configs = [listed, link, other, join(directory, 'gone')].map(configOf);
  const paths = await findEmulatorPaths(capabilities, configs, new EmulatorFiles());
  expect(paths).toEqual(new Map([[link, listed]]));

  const further = withEmulatorPaths(capabilities, paths);
  for (const domainType of ['kvm', 'qemu']) {
    const rows = machinesFor(further, { arch: 'x86_64', domainType, emulator: link });
    expect(rows?.map(({ name }) => name)).toEqual(['pc-q35-7.2', 'pc-q35-3.1']);
  }
  // The first is still the one that libvirt names.
  expect(emulatorsOf(further, 'x86_64')).toEqual([listed, link]);
});

test.each(['/usr/bin/kvm', '/usr/bin/kvm-spice'])('%s is the emulator of the host', async (wrapper) => {
  const capabilities = capabilitiesOf('/usr/bin/qemu-system-x86_64');
  const unseen = new EmulatorFiles(async () => undefined);
  expect(await findEmulatorPaths(capabilities, [configOf(wrapper)], unseen)).toEqual(
    new Map([[wrapper, '/usr/bin/qemu-system-x86_64']]),
  );
});

test('an emulator that is listed is not looked at', async () => {
  const capabilities = capabilitiesOf('/usr/bin/qemu-system-x86_64');
  const files = new EmulatorFiles(() => Promise.reject(new Error('looked at')));
  const configs = [configOf('/usr/bin/qemu-system-x86_64')];
  expect(await findEmulatorPaths(capabilities, configs, files)).toEqual(new Map());
});
