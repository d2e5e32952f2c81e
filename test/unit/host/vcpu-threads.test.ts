import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { VcpuThreads } from '../../../src/host/vcpu-threads.ts';
import { temporaryDirectory } from './fake-proc.ts';

const PID = 1_234;

let proc: string;

beforeEach(async () => {
  proc = await temporaryDirectory();
});

afterEach(() => rm(proc, { recursive: true }));

interface Thread {
  readonly name: string;
  /** Ticks in user and in kernel mode. */
  readonly ticks?: readonly [number, number];
  readonly schedstat?: string;
  readonly sched?: string;
}

async function addThread(tid: number, { name, ticks = [0, 0], schedstat, sched }: Thread): Promise<void> {
  const directory = join(proc, String(PID), 'task', String(tid));
  await mkdir(directory, { recursive: true });
  const before = 'S 1 18374 18374 0 -1 138412224 1086 0 0 0';
  await writeFile(
    join(directory, 'stat'),
    `${tid} (${name}) ${before} ${ticks.join(' ')} 0 0 20 0 5 0 2622596\n`,
  );
  if (schedstat !== undefined) await writeFile(join(directory, 'schedstat'), `${schedstat}\n`);
  if (sched !== undefined) await writeFile(join(directory, 'sched'), sched);
}

async function setSchedstats(value: string): Promise<void> {
  await mkdir(join(proc, 'sys/kernel'), { recursive: true });
  await writeFile(join(proc, 'sys/kernel/sched_schedstats'), `${value}\n`);
}

async function vcpus(): Promise<Record<number, Record<string, number>> | undefined> {
  const found = (await new VcpuThreads(proc).read([PID])).get(PID);
  if (found === undefined) return undefined;
  return Object.fromEntries([...found].map(([number, fields]) => [number, Object.fromEntries(fields)]));
}

describe('the vCPUs of a QEMU', () => {
  test('are its threads of that name, by number, whatever their order, and no others', async () => {
    await addThread(PID, { name: 'qemu-system-x86', ticks: [43, 25], schedstat: '1 2 3' });
    await addThread(1_240, { name: 'IO mon_iothread', ticks: [1, 1] });
    await addThread(1_242, { name: 'CPU 4/KVM', ticks: [12, 5], schedstat: '140771100 55948492 46' });
    await addThread(1_241, { name: 'CPU 0/KVM', ticks: [100, 1], schedstat: '1010000000 7 1' });
    await addThread(1_243, { name: 'worker' });
    expect(await vcpus()).toEqual({
      0: { state: 1, time: 1_010_000_000, wait: 0, delay: 7 },
      4: { state: 1, time: 170_000_000, wait: 0, delay: 55_948_492 },
    });
  });

  test('run under emulation as well', async () => {
    await addThread(1_241, { name: 'CPU 1/TCG', ticks: [3, 4], schedstat: '5 6 7' });
    expect(await vcpus()).toEqual({ 1: { state: 1, time: 70_000_000, wait: 0, delay: 6 } });
  });

  test.each([
    ['emulates all of them in one thread', 'ALL CPUs/TCG'],
    ['names no threads', 'qemu-system-x86'],
    ['is another program with such a thread name', 'CPU x/KVM'],
  ])('are unknown where QEMU %s', async (_, name) => {
    await addThread(PID, { name });
    expect(await vcpus()).toBeUndefined();
  });

  test('are unknown when the process has ended', async () => {
    expect(await vcpus()).toBeUndefined();
  });

  test('have no delay where the kernel does not count it', async () => {
    await addThread(1_241, { name: 'CPU 0/KVM', ticks: [1, 0] });
    expect(await vcpus()).toEqual({ 0: { state: 1, time: 10_000_000, wait: 0 } });
  });
});

describe('the time a thread waited', () => {
  const SCHED = 'CPU 0/KVM (1241, #threads: 5)\n-----\nse.exec_start : 1.5\n';

  test.each([
    ['of current kernels', `${SCHED}wait_sum                                     :            12.345678\n`],
    ['of very old ones', `${SCHED}se.wait_sum                     :            12.345678\n`],
    ['of older ones', `${SCHED}se.statistics.wait_sum                     :            12.345678\n`],
  ])('is wait_sum %s', async (_, sched) => {
    await setSchedstats('1');
    await addThread(1_241, { name: 'CPU 0/KVM', sched });
    expect((await vcpus())?.[0]?.wait).toBeCloseTo(12_345_678, 3);
  });

  test.each([
    ['the kernel does not count it', '0', `${SCHED}wait_sum : 12.345678\n`],
    ['the kernel does not return it', '1', SCHED],
  ])('is 0 where %s, as libvirt has it', async (_, schedstats, sched) => {
    await setSchedstats(schedstats);
    await addThread(1_241, { name: 'CPU 0/KVM', sched });
    expect(await vcpus()).toEqual({ 0: { state: 1, time: 0, wait: 0 } });
  });
});
