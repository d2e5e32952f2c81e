import { readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { DomainCpuQuota } from '../../../src/host/cpu-quota.ts';
import { findDomainCgroups } from '../../../src/host/domain-cgroup.ts';
import { readSmallFile } from '../../../src/host/process-stat.ts';
import {
  type CgroupHost,
  groupV1,
  groupV2,
  HYBRID,
  statV1,
  statV2,
  V1,
  V2,
} from '../../fixtures/cgroups/hosts.ts';
import { temporaryDirectory } from './fake-proc.ts';
import { writeTree } from './file-tree.ts';

const LOOK_AGAIN_MS = 60_000;
const BUFFER = Buffer.alloc(4_096);

let root: string;
let reads: string[];

beforeEach(async () => {
  root = await temporaryDirectory();
  reads = [];
});

afterEach(() => rm(root, { recursive: true }));

async function quotaOf(
  host: CgroupHost,
  changes: Readonly<Record<string, string>> = {},
): Promise<DomainCpuQuota> {
  await writeTree(root, { ...host.files, ...changes });
  const { cpu } = findDomainCgroups(host.processCgroup, root);
  if (cpu === undefined) throw new Error('the host has no group for the domain');
  return new DomainCpuQuota(cpu, {
    read: (path) => {
      reads.push(path.slice(root.length + 1));
      return readSmallFile(path, BUFFER);
    },
    list: (directory) => {
      try {
        return readdirSync(directory);
      } catch {
        return [];
      }
    },
  });
}

const change = (files: Readonly<Record<string, string>>): Promise<void> => writeTree(root, files);

describe('the quota of a domain', () => {
  test.each([
    ['of each vCPU, version 2', V2, 0.4, 1_200, 820, 82],
    ['of each vCPU, both versions', HYBRID, 0.4, 32, 30, 2.253_057_557],
    ['of the whole domain, version 1', V1, 1.5, 1_153, 817, 81.7],
  ] as const)('%s', async (_what, host, cores, periods, throttledPeriods, seconds) => {
    const quota = await quotaOf(host);
    expect(quota.sample(0)).toEqual({
      cores: expect.closeTo(cores, 9),
      periods,
      throttledPeriods,
      throttledSeconds: expect.closeTo(seconds, 9),
    });
  });

  const { cpuDirectory: scope } = V2;
  const none = {
    ...groupV2(`${scope}/libvirt/vcpu0`),
    ...groupV2(`${scope}/libvirt/vcpu1`),
  };

  test('is absent without one, and costs no reads until a minute has passed', async () => {
    const quota = await quotaOf(V2, none);
    expect(quota.sample(0)).toBeUndefined();
    reads = [];
    expect(quota.sample(LOOK_AGAIN_MS)).toBeUndefined();
    expect(reads).toEqual([]);
  });

  test.each([
    ["systemd's CPUQuota= of the domain", scope, 1.25],
    ["libvirt's global_quota", `${scope}/libvirt`, 1.25],
    ["systemd's CPUQuota= of the slice", 'machine.slice', 1.25],
  ])('is %s', async (_what, directory, cores) => {
    const quota = await quotaOf(V2, {
      ...none,
      ...groupV2(directory, '125000 100000', statV2(10, 4, 500_000)),
    });
    const isShared = directory === 'machine.slice';
    expect(quota.sample(0)).toEqual({
      cores,
      periods: 10,
      throttledPeriods: 4,
      throttledSeconds: isShared ? undefined : 0.5,
    });
  });

  test('is the smallest of those that apply', async () => {
    const quota = await quotaOf(V2, groupV2(scope, '30000 100000'));
    expect(quota.sample(0)?.cores).toBe(0.3);
  });

  test('of a vCPU is one CPU at most, as a vCPU uses no more', async () => {
    const changes = {
      ...groupV2(`${scope}/libvirt/vcpu0`, '150000 100000'),
      ...groupV2(`${scope}/libvirt/vcpu1`, '50000 100000'),
    };
    expect((await quotaOf(V2, changes)).sample(0)?.cores).toBe(1.5);
  });

  test.each([
    ['emulator', '30000 100000'],
    ['iothread1', '30000 100000'],
  ])('of the group %s throttles, and limits no vCPU', async (group, max) => {
    const stat = statV2(7, 5, 2_000_000);
    const quota = await quotaOf(V2, { ...none, ...groupV2(`${scope}/libvirt/${group}`, max, stat) });
    expect(quota.sample(0)).toEqual({
      cores: undefined,
      periods: 7,
      throttledPeriods: 5,
      throttledSeconds: 2,
    });
  });

  test.each([
    ['cpu.max', 'max 100000'],
    ['cpu.max', ''],
    ['cpu.max', '0 0'],
    ['cpu.max', 'x y'],
    ['cpu.max', '20000'],
  ])('is none where %s has %p', async (file, text) => {
    const quota = await quotaOf(V2, { ...none, [`${scope}/${file}`]: text });
    expect(quota.sample(0)).toBeUndefined();
  });
});

describe('what is read', () => {
  test('in a scrape is the cpu.stat of groups with a quota', async () => {
    const quota = await quotaOf(HYBRID);
    quota.sample(0);
    reads = [];
    quota.sample(1);
    const vcpus = ['vcpu0', 'vcpu1'].map((name) => `${HYBRID.cpuDirectory}/${name}/cpu.stat`);
    expect(reads.sort()).toEqual(vcpus);
  });

  test('after a change by libvirt is the quota', async () => {
    const quota = await quotaOf(HYBRID);
    quota.sample(0);
    for (const vcpu of ['vcpu0', 'vcpu1']) {
      await change({ [`${HYBRID.cpuDirectory}/${vcpu}/cpu.cfs_quota_us`]: '75000\n' });
    }
    expect(quota.sample(1)?.cores).toBe(0.4);
    quota.lookAgain();
    expect(quota.sample(2)?.cores).toBe(1.5);
  });

  test('after a minute is the quota that others set', async () => {
    const quota = await quotaOf(HYBRID);
    quota.sample(0);
    await change(groupV1(HYBRID.cpuDirectory, 10_000, statV1(1, 1, 0)));
    expect(quota.sample(LOOK_AGAIN_MS)?.cores).toBe(0.4);
    expect(quota.sample(LOOK_AGAIN_MS + 1)).toMatchObject({ cores: 0.1, periods: 33, throttledPeriods: 31 });
  });

  test('is the counters that can be read, when one of them is missing', async () => {
    const stat = {
      [`${V1.cpuDirectory}/libvirt/cpu.stat`]: 'nr_periods 5\nthrottled_time x\nnr_throttled 3\n',
    };
    const quota = await quotaOf(V1, stat);
    expect(quota.sample(0)).toEqual({
      cores: 1.5,
      periods: 5,
      throttledPeriods: 3,
      throttledSeconds: undefined,
    });
  });
});

describe('the counters never fall', () => {
  const { cpuDirectory: domain } = HYBRID;

  test('when the quota is taken away', async () => {
    const quota = await quotaOf(HYBRID);
    quota.sample(0);
    const stat = statV1(40, 35, 3_000_000_000);
    await change({ ...groupV1(`${domain}/vcpu0`, -1, stat), ...groupV1(`${domain}/vcpu1`, -1) });
    quota.lookAgain();
    expect(quota.sample(1)).toEqual({
      cores: undefined,
      periods: 42,
      throttledPeriods: 35,
      throttledSeconds: 3,
    });
  });

  test('when a vCPU is unplugged', async () => {
    const quota = await quotaOf(HYBRID, groupV1(`${domain}/vcpu1`, 20_000, statV1(100, 90, 9_000_000_000)));
    quota.sample(0);
    await rm(join(root, domain, 'vcpu1'), { recursive: true });
    await change(groupV1(`${domain}/vcpu0`, 20_000, statV1(31, 31, 2_500_000_000)));
    quota.lookAgain();
    expect(quota.sample(1)).toEqual({
      cores: 0.2,
      periods: 131,
      throttledPeriods: 121,
      throttledSeconds: expect.closeTo(11.5, 9),
    });
  });

  test('when a group is made anew', async () => {
    const quota = await quotaOf(HYBRID);
    quota.sample(0);
    await change(groupV1(`${domain}/vcpu0`, 20_000, statV1(3, 2, 100_000_000)));
    expect(quota.sample(1)).toMatchObject({ periods: 35, throttledPeriods: 32 });
    await change(groupV1(`${domain}/vcpu0`, 20_000, statV1(4, 3, 200_000_000)));
    expect(quota.sample(2)).toMatchObject({ periods: 36, throttledPeriods: 33 });
  });

  test('when no file can be read', async () => {
    const quota = await quotaOf(HYBRID);
    const before = quota.sample(0);
    await rm(join(root, 'cpu'), { recursive: true });
    expect(quota.sample(1)).toEqual(before);
    expect(quota.sample(LOOK_AGAIN_MS + 2)).toEqual({ ...before, cores: undefined });
  });
});
