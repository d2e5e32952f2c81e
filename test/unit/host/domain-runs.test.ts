import { execFileSync } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { type DomainRunRef, DomainRuns } from '../../../src/host/domain-runs.ts';
import {
  BOOT_SECONDS,
  createFakeProc,
  type FakeProc,
  qemuCommandLine,
  temporaryDirectory,
} from './fake-proc.ts';

const WEB: DomainRunRef = { uuid: '1e78b922-af0e-4f1f-8331-2e49257760ae', name: 'web', id: 1 };
const DB: DomainRunRef = { uuid: '5f0c6d1c-54cb-4b36-8f3c-2c1f0f7b8b11', name: 'db', id: 2 };
const LOOK_AGAIN_MS = 30_000;

let directory: string;
let logs: string;
let cgroups: string;
let proc: FakeProc;
let runs: DomainRuns;
let now: number;

beforeEach(async () => {
  directory = await temporaryDirectory();
  logs = join(directory, 'logs');
  await mkdir(logs);
  cgroups = join(directory, 'cgroups');
  proc = await createFakeProc(join(directory, 'proc'));
  runs = new DomainRuns({ proc: proc.path, qemuLogs: logs, cgroups });
  now = 1_000;
  jest.spyOn(performance, 'now').mockImplementation(() => now);
});

afterEach(async () => {
  jest.restoreAllMocks();
  await rm(directory, { recursive: true });
});

const run = ({ uuid, name }: DomainRunRef, pid: number, startedAfterBoot = 10): Promise<void> =>
  proc.add({ pid, commandLine: qemuCommandLine(uuid, name), startTicks: startedAfterBoot * 100 });

async function logStart({ name }: DomainRunRef, version: string, startedAfterBoot = 10): Promise<void> {
  const time = new Date((BOOT_SECONDS + startedAfterBoot) * 1000).toISOString();
  const line = `${time.replace('T', ' ').replace('Z', '+0000')}: starting up libvirt version: 9.0.0, qemu version: ${version}`;
  await writeFile(join(logs, `${name}.log`), `${line}\n`, { flag: 'a' });
}

/** Process and logged version of each run that is known. */
async function seen(
  ...running: DomainRunRef[]
): Promise<Record<string, [number | undefined, string | undefined]>> {
  const names = new Map([WEB, DB].map(({ uuid, name }) => [uuid, name]));
  const known = await runs.lookUp(running);
  return Object.fromEntries(
    [...known].map(([uuid, { process, loggedVersion }]) => [names.get(uuid), [process?.pid, loggedVersion]]),
  );
}

test('a scrape with less time than that waits until its deadline only', async () => {
  await mkdir(join(proc.path, '72'));
  const pipe = join(proc.path, '72', 'cmdline');
  execFileSync('mkfifo', [pipe]);
  const begun = process.hrtime.bigint();
  await runs.lookUp([WEB], now + 50);
  expect(Number(process.hrtime.bigint() - begun) / 1e6).toBeLessThan(1_500);
  await writeFile(pipe, '');
});

test('a process whose command line hangs costs one look two seconds, and the others nothing more', async () => {
  await run(WEB, 70);
  expect(await seen(WEB)).toEqual({ web: [70, undefined] });
  // A pipe without a writer: reading it hangs as it does for a process that is stuck in the kernel.
  await mkdir(join(proc.path, '72'));
  const pipe = join(proc.path, '72', 'cmdline');
  execFileSync('mkfifo', [pipe]);
  await run(DB, 71);
  expect(await seen(WEB, DB)).toEqual({ web: [70, undefined] });
  now += 5_000;
  const again = process.hrtime.bigint();
  expect(await seen(WEB, DB)).toEqual({ web: [70, undefined] });
  expect(Number(process.hrtime.bigint() - again) / 1e6).toBeLessThan(1_000);
  await writeFile(pipe, '');
  for (let look = 0; look < 1_000 && runs.known(DB.uuid) === undefined; look++) await seen(WEB, DB);
  expect(await seen(WEB, DB)).toEqual({ web: [70, undefined], db: [71, undefined] });
});

describe('what is read of a run', () => {
  test('its process and the version its log gives', async () => {
    await run(WEB, 70);
    await logStart(WEB, '7.2.22');
    await run(DB, 71);
    expect(await seen(WEB, DB)).toEqual({ web: [70, '7.2.22'], db: [71, undefined] });
  });

  test.each([
    [0, '7.2.22'],
    [59, '7.2.22'],
    [-59, '7.2.22'],
    [61, undefined],
    [-61, undefined],
    [-86_400, undefined],
  ])('a start logged %d s from the start of the process: %s', async (apart, version) => {
    await run(WEB, 70, 100_000);
    await logStart(WEB, '7.2.22', 100_000 + apart);
    expect(await seen(WEB)).toEqual({ web: [70, version] });
  });

  test('without a process that can be seen, the last logged start is the run', async () => {
    await logStart(WEB, '7.2.20', 5);
    await logStart(WEB, '7.2.22', 10);
    expect(await seen(WEB)).toEqual({ web: [undefined, '7.2.22'] });
  });

  test('nothing at all is no failure, nor is a host without /proc', async () => {
    expect(await seen(WEB)).toEqual({ web: [undefined, undefined] });
    const none = join(directory, 'none');
    runs = new DomainRuns({ proc: none, qemuLogs: none, cgroups: none });
    expect(await seen(WEB)).toEqual({ web: [undefined, undefined] });
  });

  test('with nothing running nothing is known', async () => {
    await run(WEB, 70);
    expect(await seen()).toEqual({});
  });
});

describe('how often it looks', () => {
  test('once per run: what changes later is not seen, whatever the time', async () => {
    await run(WEB, 70);
    await logStart(WEB, '7.2.22');
    await seen(WEB);
    await proc.end(70);
    await logStart(WEB, '8.2.0');
    now += 10 * LOOK_AGAIN_MS;
    expect(await seen(WEB)).toEqual({ web: [70, '7.2.22'] });
  });

  test('a new run is looked up at once', async () => {
    await run(WEB, 70);
    await logStart(WEB, '7.2.22');
    await seen(WEB);
    await proc.end(70);
    await run(WEB, 80, 500);
    await logStart(WEB, '8.2.0', 500);
    expect(await seen({ ...WEB, id: 5 })).toEqual({ web: [80, '8.2.0'] });
  });

  test('a new run whose process is not there does not keep that of the run before', async () => {
    await run(WEB, 70);
    await seen(WEB);
    await proc.end(70);
    expect(await seen({ ...WEB, id: 5 })).toEqual({ web: [undefined, undefined] });
  });

  test('a new run has only itself looked up', async () => {
    await run(WEB, 70);
    await seen(WEB);
    await proc.end(70);
    await run(DB, 71);
    expect(await seen(WEB, DB)).toEqual({ web: [70, undefined], db: [71, undefined] });
  });

  test('a process that was not found is looked for again after half a minute, not at each scrape', async () => {
    await seen(WEB);
    await run(WEB, 70);
    now += LOOK_AGAIN_MS;
    expect(await seen(WEB)).toEqual({ web: [undefined, undefined] });
    now += 1;
    expect(await seen(WEB)).toEqual({ web: [70, undefined] });
  });

  test('one that stays missing is not looked for more often', async () => {
    await seen(WEB);
    now += LOOK_AGAIN_MS + 1;
    await seen(WEB);
    await run(WEB, 70);
    now += LOOK_AGAIN_MS;
    expect(await seen(WEB)).toEqual({ web: [undefined, undefined] });
  });

  test('when another run begins, a missing process is looked for along with it', async () => {
    await seen(WEB);
    await run(WEB, 70);
    await run(DB, 71);
    expect(await seen(WEB, DB)).toEqual({ web: [70, undefined], db: [71, undefined] });
  });
});

describe('runs that ended', () => {
  test('are forgotten', async () => {
    await run(WEB, 70);
    await run(DB, 71);
    await seen(WEB, DB);
    expect(await seen(DB)).toEqual({ db: [71, undefined] });
    expect(await seen()).toEqual({});
  });

  test('are forgotten when as many begin', async () => {
    await run(WEB, 70);
    await run(DB, 71);
    await seen(WEB);
    expect(await seen(DB)).toEqual({ db: [71, undefined] });
  });

  test('are looked up anew when they come back', async () => {
    await run(WEB, 70);
    await seen(WEB);
    await seen();
    await proc.end(70);
    await run(WEB, 80);
    expect(await seen(WEB)).toEqual({ web: [80, undefined] });
  });
});

describe('the processes of the runs that were looked up last', () => {
  const SCOPE = '/machine.slice/machine-qemu\\x2d1\\x2dweb.scope';

  async function addWithCgroup({ uuid, name }: DomainRunRef, pid: number, cgroup: string): Promise<void> {
    const cpuTicks = [250, 50] as const;
    await proc.add({ pid, commandLine: qemuCommandLine(uuid, name), startTicks: 1, cpuTicks, cgroup });
  }

  async function processes(): Promise<Record<string, [state: string, total: number | undefined]>> {
    const names = new Map([WEB, DB].map(({ uuid, name }) => [uuid, name]));
    const samples = await runs.processes({ kinds: new Set(), hostPressure: new Map() });
    return Object.fromEntries(
      [...samples].map(([uuid, { state, cpu }]) => [names.get(uuid), [state, cpu?.total]]),
    );
  }

  test.each(['T', 'D', 'S'])('have the state %s of this moment', async (state) => {
    await run(WEB, 70);
    await run(DB, 71);
    await seen(WEB, DB);
    await proc.setState(70, state);
    expect(await processes()).toEqual({ web: [state, undefined], db: ['S', undefined] });
  });

  test('have processor time by the cgroup, where there is one, and by the process otherwise', async () => {
    await mkdir(join(cgroups, SCOPE), { recursive: true });
    await addWithCgroup(WEB, 70, `0::${SCOPE}/libvirt/emulator\n`);
    await addWithCgroup(DB, 71, '0::/user.slice\n');
    await seen(WEB, DB);
    await writeFile(join(cgroups, SCOPE, 'cpu.stat'), 'usage_usec 5000000\n');
    expect(await processes()).toEqual({ web: ['S', 5], db: ['S', 3] });
    await writeFile(join(cgroups, SCOPE, 'cpu.stat'), 'usage_usec 6000000\n');
    expect(await processes()).toEqual({ web: ['S', 6], db: ['S', 3] });
  });

  test('have no processor time by the process while their cgroup cannot be read', async () => {
    await addWithCgroup(WEB, 70, `0::${SCOPE}\n`);
    await seen(WEB);
    expect(await processes()).toEqual({ web: ['S', undefined] });
  });

  test('are missing when they have ended, and when there are none', async () => {
    await run(WEB, 70);
    await run(DB, 71);
    await seen(WEB, DB);
    await proc.end(70);
    expect(await processes()).toEqual({ db: ['S', undefined] });
    await seen();
    expect(await processes()).toEqual({});
  });
});
