import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseProcessStat, readProcessStat, readSmallFile } from '../../../src/host/process-stat.ts';
import { waitFor } from '../../../testbed/wait.ts';
import { createFakeProc, type FakeProc, processStatText, temporaryDirectory } from './fake-proc.ts';

const TIMES = { cpuTicks: [250, 50], startTicks: 12_345 } as const;
const PARSED = { state: 'S', userSeconds: 2.5, systemSeconds: 0.5, startSeconds: 123.45 };

describe('parseProcessStat', () => {
  test.each([
    ['qemu-system-x86'],
    ['CPU 0/KVM'],
    ['a b c'],
    ['brackets) S 1 2 3 (x'],
    [')'],
    ['('],
    [') R 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 77 ('],
    [''],
    ['näme\nline'],
  ])('reads state and times of a process named %j', (comm) => {
    expect(parseProcessStat(processStatText({ pid: 70, comm, ...TIMES }))).toEqual(PARSED);
  });

  test.each(['R', 'S', 'D', 'T', 't', 'Z', 'X', 'x', 'K', 'W', 'P', 'I'])('reads state %s', (state) => {
    const text = processStatText({ pid: 70, state, ...TIMES });
    expect(parseProcessStat(text)).toEqual({ ...PARSED, state });
  });

  test.each([
    ['empty text', ''],
    ['a name only', '70 (qemu)'],
    ['too few fields', '70 (qemu) S 1 2 3'],
    [
      'no start time',
      processStatText({ pid: 70, ...TIMES })
        .split(' ')
        .slice(0, 21)
        .join(' '),
    ],
    ['words instead of numbers', `70 (qemu) S ${'x '.repeat(40)}`],
    ['a state of two letters', processStatText({ pid: 70, state: 'SS', ...TIMES })],
    ['no state', processStatText({ pid: 70, state: '', ...TIMES })],
    ['another file', 'btime 1700000000\nprocesses 8\n'],
  ])('returns undefined for %s', (_what, text) => {
    expect(parseProcessStat(text)).toBeUndefined();
  });

  test('returns finite times or undefined for any text', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.stringMatching(/^\d+ \(.{0,20}\) [A-Z]( -?\d{1,20}){0,50}$/)),
        (text) => {
          const parsed = parseProcessStat(text);
          if (parsed === undefined) return;
          expect(parsed.state).toHaveLength(1);
          expect(Number.isFinite(parsed.userSeconds + parsed.systemSeconds + parsed.startSeconds)).toBe(true);
        },
      ),
    );
  });
});

describe('readProcessStat', () => {
  let directory: string;
  let proc: FakeProc;
  const buffer = Buffer.alloc(4_096);

  beforeEach(async () => {
    directory = await temporaryDirectory();
    proc = await createFakeProc(join(directory, 'proc'));
  });

  afterEach(() => rm(directory, { recursive: true }));

  test('reads a process anew at each call', async () => {
    await proc.add({ pid: 70, commandLine: [], ...TIMES });
    expect(readProcessStat(proc.path, 70, buffer)).toEqual(PARSED);
    await proc.setState(70, 'D');
    expect(readProcessStat(proc.path, 70, buffer)).toEqual({ ...PARSED, state: 'D' });
  });

  test('returns undefined for a process that has ended', () => {
    expect(readProcessStat(proc.path, 70, buffer)).toBeUndefined();
  });

  test('says of a real process that it is stopped, until it is continued', async () => {
    const child = spawn('sleep', ['60']);
    const { pid } = child;
    if (pid === undefined) throw new Error('no process');
    const inState = (wanted: string) =>
      waitFor(async () => readProcessStat('/proc', pid, buffer)?.state === wanted || undefined, {
        what: `state ${wanted}`,
        timeoutMs: 5_000,
        everyMs: 2,
      });
    try {
      await inState('S');
      child.kill('SIGSTOP');
      await inState('T');
      child.kill('SIGCONT');
      await inState('S');
    } finally {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    expect(readProcessStat('/proc', pid, buffer)).toBeUndefined();
  });
});

describe('readSmallFile', () => {
  test('reads as much as its buffer holds, and nothing of the file read before', async () => {
    const directory = await temporaryDirectory();
    const [long, short] = [join(directory, 'long'), join(directory, 'short')];
    await writeFile(long, 'x'.repeat(100));
    await writeFile(short, 'y');
    const buffer = Buffer.alloc(16);
    expect(readSmallFile(long, buffer)).toBe('x'.repeat(16));
    expect(readSmallFile(short, buffer)).toBe('y');
    expect(readSmallFile(directory, buffer)).toBeUndefined();
    expect(readSmallFile(join(directory, 'none'), buffer)).toBeUndefined();
    await rm(directory, { recursive: true });
  });
});
