import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type CpuSource, type CpuTimes, findCpuSource, readCpuTimes } from '../../../src/host/cpu-times.ts';
import { temporaryDirectory } from './fake-proc.ts';

const ROOT = '/sys/fs/cgroup';
const SCOPE = '/machine.slice/machine-qemu\\x2d1\\x2dweb.scope';
const PROCESS_STAT = { state: 'S', userSeconds: 2.5, systemSeconds: 0.5, startSeconds: 10 };

describe('findCpuSource', () => {
  test.each([
    ['with systemd', SCOPE, ''],
    ['with systemd and the nested group', SCOPE, '/libvirt/emulator'],
    ['with systemd and the group of a vCPU', SCOPE, '/libvirt/vcpu0'],
    ['with systemd, an older libvirt', SCOPE, '/emulator'],
    [
      'with an escaped name',
      '/machine.slice/machine-qemu\\x2d12\\x2d\\xc3\\xa4\\x20b\\x2ec.scope',
      '/libvirt/emulator',
    ],
    ['in a partition', '/gold.slice/gold-vms.slice/machine-qemu\\x2d1\\x2dweb.scope', '/libvirt/emulator'],
    ['without systemd', '/machine/qemu-1-web.libvirt-qemu', ''],
    ['without systemd, with the nested group', '/machine/qemu-1-web.libvirt-qemu', '/libvirt/emulator'],
    ['without systemd, a name with dots', '/machine/qemu-1-a.b.libvirt-qemu', '/emulator'],
    ['directly below the root', '/machine-qemu\\x2d1\\x2dweb.scope', ''],
  ])('finds the cgroup of a domain, version 2: %s', (_what, machine, below) => {
    const source = { kind: 'cgroup2', directory: `${ROOT}${machine}` };
    expect(findCpuSource(`0::${machine}${below}\n`, ROOT)).toEqual(source);
  });

  test.each([['cpuacct'], ['cpu,cpuacct'], ['cpuacct,cpu']])(
    'finds the cgroup of a domain in the hierarchy %s, version 1',
    (controllers) => {
      const text = [
        '12:memory:/machine.slice/other',
        `4:${controllers}:${SCOPE}/libvirt/emulator`,
        `3:cpuset:${SCOPE}/libvirt/emulator`,
        `1:name=systemd:${SCOPE}`,
        '0::/',
        '',
      ].join('\n');
      expect(findCpuSource(text, ROOT)).toEqual({
        kind: 'cpuacct',
        directory: `${ROOT}/${controllers}${SCOPE}`,
      });
    },
  );

  test('takes version 2 where both count, as libvirt does, below the mount point that systemd gives it', () => {
    const source = { kind: 'cgroup2', directory: `${ROOT}/unified${SCOPE}` };
    expect(findCpuSource(`4:cpuacct:${SCOPE}\n0::${SCOPE}\n`, ROOT)).toEqual(source);
    expect(findCpuSource(`0::${SCOPE}/libvirt/emulator\n4:cpuacct:${SCOPE}\n`, ROOT)).toEqual(source);
  });

  test.each([
    ['a user session', '0::/user.slice/user-1000.slice/session-1.scope\n'],
    ['a service', '0::/system.slice/libvirtd.service\n'],
    ['the root', '0::/\n'],
    ['a name that only looks like a machine', '0::/machine.slice/not-machine-qemu.scope.d\n'],
    ['no machine in a hierarchy that counts', `4:cpuacct:/\n1:name=systemd:${SCOPE}\n0::/\n`],
    ['no hierarchy that counts', `3:cpuset:${SCOPE}\n`],
  ])('takes the process where libvirt made no cgroup for the domain: %s', (_what, text) => {
    expect(findCpuSource(text, ROOT)).toEqual({ kind: 'process' });
  });

  test.each([
    ['version 2', `0::/../../..${SCOPE}/libvirt/emulator\n`],
    ['version 1', `4:cpu,cpuacct:/../..${SCOPE}\n0::${SCOPE}\n`],
  ])('leaves it to libvirt where the path leads out of the cgroup namespace: %s', (_what, text) => {
    expect(findCpuSource(text, ROOT)).toBeUndefined();
  });

  test.each([
    ['empty text', ''],
    ['another file', 'Name:\tqemu\nState:\tS (sleeping)\n'],
    ['no path', '0::\n'],
  ])('leaves it to libvirt where nothing is known: %s', (_what, text) => {
    expect(findCpuSource(text, ROOT)).toBeUndefined();
  });

  test('stays below the root of the cgroups for any text', () => {
    const line = fc.stringMatching(
      /^\d{1,2}:(cpuacct|cpu,cpuacct|)?:\/[a-z./\\]{0,40}(machine-q\.scope|q\.libvirt-qemu)?$/,
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.string(), line)), (lines) => {
        const source = findCpuSource(lines.join('\n'), ROOT);
        if (source !== undefined && source.kind !== 'process')
          expect(source.directory.startsWith(`${ROOT}/`)).toBe(true);
      }),
    );
  });
});

describe('readCpuTimes', () => {
  let directory: string;
  const buffer = Buffer.alloc(4_096);

  beforeEach(async () => {
    directory = await temporaryDirectory();
  });

  afterEach(() => rm(directory, { recursive: true }));

  const read = (source: CpuSource): CpuTimes | undefined => readCpuTimes(source, PROCESS_STAT, buffer);
  const write = (name: string, text: string): Promise<void> => writeFile(join(directory, name), text);

  test('of a process adds user and kernel mode', () => {
    expect(read({ kind: 'process' })).toEqual({ total: 3, user: 2.5, system: 0.5 });
  });

  test('of a cgroup of version 2 reads microseconds', async () => {
    const text = 'usage_usec 3500000\nuser_usec 2000000\nsystem_usec 1500000\ncore_sched.force_idle_usec 7\n';
    await write('cpu.stat', text);
    const times = read({ kind: 'cgroup2', directory });
    expect(times?.total).toBeCloseTo(3.5, 9);
    expect(times?.user).toBeCloseTo(2, 9);
    expect(times?.system).toBeCloseTo(1.5, 9);
  });

  test('of a cgroup of version 2 has no user and kernel mode where only the sum is there', async () => {
    await write('cpu.stat', 'usage_usec 0\n');
    expect(read({ kind: 'cgroup2', directory })).toEqual({ total: 0, user: undefined, system: undefined });
  });

  test('of a cgroup of version 1 reads nanoseconds and ticks', async () => {
    await write('cpuacct.usage', '3500000000\n');
    await write('cpuacct.stat', 'user 200\nsystem 150\n');
    const times = read({ kind: 'cpuacct', directory });
    expect(times?.total).toBeCloseTo(3.5, 9);
    expect(times?.user).toBeCloseTo(2, 9);
    expect(times?.system).toBeCloseTo(1.5, 9);
  });

  test('of a cgroup of version 1 has no user and kernel mode where they cannot be read', async () => {
    await write('cpuacct.usage', '0\n');
    expect(read({ kind: 'cpuacct', directory })).toEqual({ total: 0, user: undefined, system: undefined });
  });

  test.each([
    ['cgroup2', 'cpu.stat'],
    ['cpuacct', 'cpuacct.usage'],
  ] as const)('of a cgroup that cannot be read is undefined: %s', async (kind, file) => {
    expect(read({ kind, directory })).toBeUndefined();
    await write(file, '');
    expect(read({ kind, directory })).toBeUndefined();
    await write(file, 'soon\n');
    expect(read({ kind, directory })).toBeUndefined();
    await rm(join(directory, file));
    await mkdir(join(directory, file));
    expect(read({ kind, directory })).toBeUndefined();
  });
});
