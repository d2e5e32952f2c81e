import { rm, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { CpuSource } from '../../../src/host/cpu-times.ts';
import type { PressureResource, PressureTotals } from '../../../src/host/pressure.ts';
import { PROCESS_KINDS, type ProcessSample, ProcessSampler } from '../../../src/host/process-sampler.ts';
import { type CgroupHost, HYBRID, statV1, V1, V2 } from '../../fixtures/cgroups/hosts.ts';
import { processStatText, temporaryDirectory } from './fake-proc.ts';
import { writeTree } from './file-tree.ts';

const UUID = '1e78b922-af0e-4f1f-8331-2e49257760ae';
const PID = 70;
const STATUS = 'Name:\tqemu-system-x86\nState:\tS (sleeping)\nVmRSS:\t     100 kB\nVmSwap:\t       2 kB\n';

let root: string;
let sampler: ProcessSampler;
let hostPressure: Map<PressureResource, PressureTotals>;

beforeEach(async () => {
  root = await temporaryDirectory();
  sampler = new ProcessSampler({ proc: join(root, 'proc'), cgroups: join(root, 'cgroup') });
  hostPressure = new Map(
    ['io', 'memory', 'cpu'].map((name) => [name as PressureResource, { some: 1, full: 1 }]),
  );
});

afterEach(() => rm(root, { recursive: true }));

async function addProcess(host: CgroupHost, pid = PID): Promise<void> {
  await writeTree(join(root, 'cgroup'), host.files);
  await writeTree(join(root, 'proc', String(pid)), {
    status: STATUS,
    stat: processStatText({ pid, cpuTicks: [250, 50] }),
    cgroup: host.processCgroup,
  });
}

interface Sampling {
  readonly pid?: number;
  readonly cpuSource?: CpuSource | undefined;
  readonly kinds?: readonly (typeof PROCESS_KINDS)[number][];
}

async function sample({
  pid = PID,
  cpuSource,
  kinds = PROCESS_KINDS,
}: Sampling = {}): Promise<ProcessSample | undefined> {
  const process = {
    pid,
    startSeconds: 0,
    startAfterBootSeconds: 0,
    cpuSeconds: 0,
    binary: undefined,
    cpuSource,
  };
  const samples = await sampler.sample(new Map([[UUID, process]]), { kinds: new Set(kinds), hostPressure });
  return samples.get(UUID);
}

const PRESSURE = {
  io: { some: 482, full: 482 },
  memory: { some: 0, full: 0 },
  cpu: { some: 1_480_171, full: 1_434_876 },
};
const pressureOf = (seen: ProcessSample | undefined) => Object.fromEntries(seen?.pressure ?? []);
const setIoPressure = (total: number) =>
  writeTree(join(root, 'cgroup', V2.unifiedDirectory ?? ''), {
    'io.pressure': `some avg10=0.00 total=${total}\nfull avg10=0.00 total=${total}\n`,
  });

describe('a process and its cgroup', () => {
  test.each([
    ['version 1', V1, 817, {}],
    ['both versions', HYBRID, 30, PRESSURE],
    ['version 2', V2, 820, PRESSURE],
  ] as const)('on a host with %s', async (_what, host, throttledPeriods, pressure) => {
    await addProcess(host);
    const seen = await sample();
    expect(seen).toMatchObject({
      state: 'S',
      residentBytes: 102_400,
      swapBytes: 2_048,
      quota: { throttledPeriods },
    });
    expect(pressureOf(seen)).toEqual(pressure);
  });

  test('of which only the wanted kinds are read', async () => {
    await addProcess(V2);
    const nothing = { residentBytes: undefined, swapBytes: undefined, quota: undefined, pressure: new Map() };
    expect(await sample({ kinds: [] })).toEqual({ state: 'S', cpu: undefined, ...nothing });
    expect(await sample({ kinds: ['process'] })).toMatchObject({ swapBytes: 2_048, quota: undefined });
    expect(await sample({ kinds: ['throttle'] })).toMatchObject({ swapBytes: undefined, quota: {} });
    expect(pressureOf(await sample({ kinds: ['pressure'] }))).toEqual(PRESSURE);
  });

  test('of which the CPU time is that of the process, where no cgroup counts it', async () => {
    await addProcess(V2);
    expect((await sample({ cpuSource: { kind: 'process' } }))?.cpu).toEqual({
      total: 3,
      user: 2.5,
      system: 0.5,
    });
  });

  test('of which what can be seen is there, when the rest cannot be', async () => {
    await addProcess(V2);
    await rm(join(root, 'cgroup'), { recursive: true });
    expect(await sample()).toMatchObject({ swapBytes: 2_048, quota: undefined, pressure: new Map() });
    await unlink(join(root, 'proc', String(PID), 'status'));
    expect(await sample()).toMatchObject({ state: 'S', swapBytes: undefined });
  });

  test('that has ended is missing', async () => {
    expect(await sample()).toBeUndefined();
  });
});

describe('the pressure of a cgroup', () => {
  beforeEach(() => addProcess(V2));

  test('is read again when the pressure of the host has grown, and not otherwise', async () => {
    await sample();
    await setIoPressure(900);
    expect(pressureOf(await sample()).io).toEqual({ some: 482, full: 482 });
    hostPressure.set('io', { some: 2, full: 1 });
    expect(pressureOf(await sample()).io).toEqual({ some: 900, full: 900 });
  });

  test('is absent for a resource that the kernel counts no pressure of', async () => {
    hostPressure.delete('cpu');
    expect(Object.keys(pressureOf(await sample()))).toEqual(['io', 'memory']);
  });

  test('goes on when the cgroup is made anew', async () => {
    await sample();
    await setIoPressure(100);
    hostPressure.set('io', { some: 2, full: 1 });
    expect(pressureOf(await sample()).io).toEqual({ some: 582, full: 582 });
  });

  test('is absent while its file cannot be read, and goes on then', async () => {
    await sample();
    await rm(join(root, 'cgroup', V2.unifiedDirectory ?? '', 'io.pressure'));
    hostPressure.set('io', { some: 2, full: 1 });
    expect(pressureOf(await sample())).toEqual({ memory: PRESSURE.memory, cpu: PRESSURE.cpu });
    await setIoPressure(500);
    expect(pressureOf(await sample()).io).toEqual({ some: 500, full: 500 });
  });
});

describe('what is kept of a process', () => {
  test('ends with the process: the next run of the domain begins with its own cgroup', async () => {
    await addProcess(HYBRID);
    await sample();
    const next = JSON.parse(JSON.stringify(HYBRID).replaceAll('qemu-158-', 'qemu-159-')) as CgroupHost;
    await addProcess(next, 71);
    await writeTree(join(root, 'cgroup', next.cpuDirectory), {
      'vcpu0/cpu.stat': statV1(1, 1, 5),
      'vcpu1/cpu.stat': statV1(1, 0, 0),
    });
    expect((await sample({ pid: 71 }))?.quota).toMatchObject({ periods: 2, throttledPeriods: 1 });
  });

  test('is forgotten with the domain', async () => {
    await addProcess(V2);
    await sample();
    await sampler.sample(new Map(), { kinds: new Set(PROCESS_KINDS), hostPressure });
    await setIoPressure(100);
    expect(pressureOf(await sample()).io).toEqual({ some: 100, full: 100 });
  });

  test('is read again after a change of the quota by libvirt', async () => {
    await addProcess(HYBRID);
    await sample();
    const quotas = ['vcpu0', 'vcpu1'].map((vcpu) => [`${vcpu}/cpu.cfs_quota_us`, '-1\n']);
    await writeTree(join(root, 'cgroup', HYBRID.cpuDirectory), Object.fromEntries(quotas));
    expect((await sample())?.quota?.cores).toBe(0.4);
    sampler.quotaChanged(UUID);
    sampler.quotaChanged('another');
    expect((await sample())?.quota?.cores).toBeUndefined();
  });
});
