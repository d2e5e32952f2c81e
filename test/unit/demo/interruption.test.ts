import { EventEmitter } from 'node:events';
import { expect, test } from '@jest/globals';
import { onInterruption, untilEnding } from '../../../deploy/demo/interruption.ts';

function interruptible() {
  const source = new EventEmitter();
  const said: string[] = [];
  let time = 0;
  const pass = (ms: number): void => {
    time += ms;
  };
  return {
    source,
    said,
    pass,
    ...onInterruption(
      (text) => said.push(text),
      source,
      () => time,
    ),
  };
}

test.each(['SIGINT', 'SIGTERM'])('%s ends the phase, and what it breaks is no failure', async (name) => {
  const { source, signal } = interruptible();
  const phase = untilEnding(signal, async () => {
    source.emit(name);
    throw new Error('virsh was interrupted');
  });
  await expect(phase).resolves.toBeUndefined();
  expect(signal.aborted).toBe(true);
});

test('no phase begins after it', async () => {
  const { source, signal } = interruptible();
  source.emit('SIGINT');
  const begun: string[] = [];
  await untilEnding(signal, async () => begun.push('show'));
  expect(begun).toEqual([]);
});

test('a failure without it is one', async () => {
  const { signal, insist } = interruptible();
  const fail = (): Promise<never> => Promise.reject(new Error('no disk'));
  await expect(untilEnding(signal, fail)).rejects.toThrow('no disk');
  await expect(insist(fail)).rejects.toThrow('no disk');
});

test('a second one prints a line, and the clean-up that failed by it runs again', async () => {
  const { source, said, pass, insist } = interruptible();
  source.emit('SIGINT');
  let rounds = 0;
  await insist(async () => {
    rounds += 1;
    if (rounds > 1) return;
    pass(2_000);
    source.emit('SIGINT');
    throw new Error('virsh was interrupted');
  });
  expect(rounds).toBe(2);
  expect(said).toEqual(['\nEnding', expect.stringContaining('Still removing')]);
});

test('one Ctrl-C that arrives twice prints one line, and the clean-up still runs again', async () => {
  const { source, said, pass, insist } = interruptible();
  source.emit('SIGINT');
  let rounds = 0;
  await insist(async () => {
    rounds += 1;
    if (rounds > 1) return;
    pass(20);
    source.emit('SIGINT');
    throw new Error('virsh was interrupted');
  });
  expect(rounds).toBe(2);
  expect(said).toEqual(['\nEnding']);
});
