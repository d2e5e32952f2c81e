import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { QemuThreads } from '../../../src/host/qemu-threads.ts';
import { temporaryDirectory } from './fake-proc.ts';

const PID = 1_234;

let proc: string;

beforeEach(async () => {
  proc = await temporaryDirectory();
});

afterEach(() => rm(proc, { recursive: true }));

interface Thread {
  readonly name: string;
  readonly state?: string;
  /** Ticks in user and in kernel mode. */
  readonly ticks?: readonly [number, number];
  readonly schedstat?: string;
  readonly sched?: string;
}

async function addThread(
  tid: number,
  { name, state = 'S', ticks = [0, 0], schedstat, sched }: Thread,
): Promise<void> {
  const directory = join(proc, String(PID), 'task', String(tid));
  await mkdir(directory, { recursive: true });
  const before = `${state} 1 18374 18374 0 -1 138412224 1086 0 0 0`;
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
  const found = (await new QemuThreads(proc).read([{ pid: PID, state: 'S' }], 0)).get(PID)?.vcpus;
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
    expect(await vcpus()).toEqual({});
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

describe('how long a thread has been blocked', () => {
  let threads: QemuThreads;

  beforeEach(() => {
    threads = new QemuThreads(proc);
  });

  const blocked = async (now: number, state = 'S'): Promise<number | undefined> =>
    (await threads.read([{ pid: PID, state }], now)).get(PID)?.blockedSeconds;

  test.each([
    ['worker', 'a thread of the thread pool'],
    ['iou-wrk-1234', 'a thread of io_uring'],
    ['IO iothread1', 'an I/O thread'],
    ['CPU 0/KVM', 'a vCPU'],
  ])('counts from when %s, %s, was first seen in state D', async (name) => {
    await addThread(PID, { name: 'qemu-system-x86' });
    await addThread(1_241, { name, schedstat: '1 2 3' });
    expect(await blocked(1_000)).toBe(0);
    await addThread(1_241, { name, state: 'D', schedstat: '1 2 4' });
    expect(await blocked(2_000)).toBe(0);
    expect(await blocked(17_000)).toBe(15);
    expect(await blocked(32_500)).toBe(30.5);
    await addThread(1_241, { name, schedstat: '9 2 5' });
    expect(await blocked(40_000)).toBe(0);
  });

  test('begins anew when the thread has run in between: slow storage does not hang', async () => {
    await addThread(1_241, { name: 'worker', state: 'D', schedstat: '1 2 3' });
    await blocked(0);
    await addThread(1_241, { name: 'worker', state: 'D', schedstat: '1 2 4' });
    expect(await blocked(15_000)).toBe(0);
    expect(await blocked(30_000)).toBe(15);
  });

  test('begins anew when the thread was not blocked at a sample in between', async () => {
    const thread = { name: 'worker', schedstat: '1 2 3' };
    await addThread(1_241, { ...thread, state: 'D' });
    await blocked(0);
    await addThread(1_241, { ...thread, state: 'R' });
    await blocked(15_000);
    await addThread(1_241, { ...thread, state: 'D' });
    expect(await blocked(30_000)).toBe(0);
  });

  test('is by CPU time where the kernel does not count how often a thread runs', async () => {
    await addThread(1_241, { name: 'worker', state: 'D', ticks: [3, 4] });
    await blocked(0);
    expect(await blocked(15_000)).toBe(15);
    await addThread(1_241, { name: 'worker', state: 'D', ticks: [4, 4] });
    expect(await blocked(30_000)).toBe(0);
  });

  test('is that of the main thread as well', async () => {
    await addThread(PID, { name: 'qemu-system-x86', state: 'D', schedstat: '1 2 3' });
    expect(await blocked(0, 'D')).toBe(0);
    expect(await blocked(15_000, 'D')).toBe(15);
    expect(await blocked(30_000, 'S')).toBe(0);
  });

  test('is the longest of all threads', async () => {
    await addThread(1_241, { name: 'worker', state: 'D', schedstat: '1 2 3' });
    await blocked(0);
    await addThread(1_242, { name: 'worker', state: 'D', schedstat: '1 2 3' });
    await blocked(10_000);
    expect(await blocked(15_000)).toBe(15);
    await rm(join(proc, String(PID), 'task', '1241'), { recursive: true });
    expect(await blocked(16_000)).toBe(6);
  });

  test('is not that of a thread which neither runs a vCPU nor reads disks', async () => {
    await addThread(1_240, { name: 'IO mon_iothread', state: 'D' });
    await addThread(1_241, { name: 'vnc_worker', state: 'D' });
    await blocked(0);
    expect(await blocked(15_000)).toBe(0);
  });

  test.each(['S', 'R', 'T', 't', 'Z'])('is 0 in state %s', async (state) => {
    await addThread(1_241, { name: 'worker', state });
    await blocked(0, state);
    expect(await blocked(15_000, state)).toBe(0);
  });

  test('is unknown when the process has ended', async () => {
    expect(await blocked(0)).toBeUndefined();
  });
});
