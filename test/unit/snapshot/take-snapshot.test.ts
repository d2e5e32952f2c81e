import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { qemuCollector } from '../../../src/collectors/qemu.ts';
import { DomainRuns } from '../../../src/host/domain-runs.ts';
import { XdrWriter } from '../../../src/libvirt/xdr.ts';
import { createSnapshotTaker, type TakeSnapshot } from '../../../src/snapshot/take-snapshot.ts';
import type { StatsReader } from '../../../src/stats/stats-reader.ts';
import type { IncomingCall } from '../../support/fake-libvirtd.ts';
import { BOOT_SECONDS, createFakeProc, qemuCommandLine, temporaryDirectory } from '../host/fake-proc.ts';
import { domain, setUp } from '../inventory/set-up.ts';

const GET_VERSION = 4;
const GET_CAPABILITIES = 7;
const NO_STATS = {
  measure: async () => ({ of: () => undefined, pools: undefined, failed: new Set() }),
} as unknown as StatsReader;

let directory: string;
let emulator: string;
/** Micro version that libvirt returns, 7.2.N; undefined while the emulator cannot be run. */
let micro: number | undefined;

beforeEach(async () => {
  directory = await temporaryDirectory();
  emulator = join(directory, 'qemu-system-x86_64');
  // A file that has been there for long.
  await symlink(process.execPath, emulator);
  micro = 22;
});

afterEach(() => rm(directory, { recursive: true }));

/** A host whose exporter has no rights: it sees no binaries and no logs, only when processes started. */
async function setUpHost(
  startedSecondsFromNow: number,
): Promise<{ take: TakeSnapshot; restart: () => Promise<void> }> {
  const vm = domain(1, {
    xml: () => `<domain type='kvm'><os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>
      <devices><emulator>${emulator}</emulator></devices></domain>`,
  });
  const proc = await createFakeProc(join(directory, 'proc'));
  const startTicks = Math.round((Date.now() / 1000 - BOOT_SECONDS + startedSecondsFromNow) * 100);
  await proc.add({ pid: 70, commandLine: qemuCommandLine(vm.uuid), startTicks });
  await mkdir(join(directory, 'logs'));
  const { inventory, client } = await setUp([vm], {
    first: ({ procedure, reply, fail }: IncomingCall) => {
      if (procedure === GET_VERSION) {
        if (micro === undefined) fail(1, 'internal error: Cannot find suitable emulator for x86_64');
        else
          reply(
            new XdrWriter()
              .uint(0)
              .uint(7_002_000 + micro)
              .finish(),
          );
        return true;
      }
      if (procedure !== GET_CAPABILITIES) return false;
      const guest = `<guest><arch name='x86_64'><emulator>${emulator}</emulator><machine>pc-q35-7.2</machine>
        <domain type='kvm'/></arch></guest>`;
      const xml = `<capabilities><host><cpu><arch>x86_64</arch></cpu></host>${micro === undefined ? '' : guest}</capabilities>`;
      reply(new XdrWriter().string(xml).finish());
      return true;
    },
  });
  const runs = new DomainRuns({ proc: proc.path, qemuLogs: join(directory, 'logs'), cgroups: directory });
  const take = createSnapshotTaker({
    connected: async () => client,
    inventory,
    runs,
    hostResources: () => ({ cpus: undefined, memoryBytes: undefined, pressure: new Map() }),
    endOfLife: () => undefined,
    isKnownOs: () => false,
    serves: () => true,
    guest: () => undefined,
    stats: NO_STATS,
  });
  return {
    take,
    restart: async () => {
      runs.forget();
      inventory.connected(client);
      await inventory.refreshHypervisor();
    },
  };
}

async function upgrade(): Promise<void> {
  await writeFile(`${emulator}.new`, 'new', { mode: 0o755 });
  await rename(`${emulator}.new`, emulator);
}

async function served(take: TakeSnapshot): Promise<string> {
  const snapshot = await take(performance.now() + 10_000, new Set());
  const [versions, outdated] = [...qemuCollector.collect(snapshot)];
  const {
    running_version: running,
    installed_version: installed,
    source,
  } = versions?.samples[0]?.labels ?? {};
  return `${running} of ${installed} by ${source}, outdated ${outdated?.samples[0]?.value}`;
}

test('an exporter without root keeps the version that it knew through an upgrade of QEMU', async () => {
  const { take, restart } = await setUpHost(-60);
  expect(await served(take)).toBe('7.2.22 of 7.2.22 by start_time, outdated 0');

  // The package manager has replaced the file, and the new emulator cannot be run yet.
  await upgrade();
  micro = undefined;
  expect(await served(take)).toBe('7.2.22 of unknown by start_time, outdated 1');
  micro = 23;
  await restart();
  expect(await served(take)).toBe('7.2.22 of 7.2.23 by start_time, outdated 1');
});

test('a version is never that of a file which was replaced since', async () => {
  await upgrade();
  const { take } = await setUpHost(-60);
  expect(await served(take)).toBe('unknown of 7.2.22 by none, outdated 1');
  await upgrade();
  micro = 23;
  expect(await served(take)).toBe('unknown of 7.2.23 by none, outdated 1');
  await upgrade();
  micro = undefined;
  expect(await served(take)).toBe('unknown of unknown by none, outdated 1');
});
