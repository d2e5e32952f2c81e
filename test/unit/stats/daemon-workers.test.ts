import { describe, expect, test } from '@jest/globals';
import { DaemonWorkers, type HeldWorker } from '../../../src/stats/daemon-workers.ts';

/** Workers with this many calls that hang. */
async function withHanging(count: number): Promise<{ workers: DaemonWorkers; hanging: HeldWorker[] }> {
  const workers = new DaemonWorkers();
  const hanging: HeldWorker[] = [];
  for (let call = 0; call < count; call++) {
    const held = await workers.take(call < 15);
    held.late();
    hanging.push(held);
  }
  return { workers, hanging };
}

/** Whether a promise has settled once all that is due has run. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const settle = (): void => {
    settled = true;
  };
  promise.then(settle, settle);
  await new Promise((resolve) => setImmediate(resolve));
  return settled;
}

describe('calls that need QEMU', () => {
  test('hold fifteen workers at most, hanging or not; the next waits until one is answered', async () => {
    const { workers } = await withHanging(11);
    const active = await Promise.all([1, 2, 3, 4].map(() => workers.take(true)));
    const next = workers.take(true);
    expect(await isSettled(next)).toBe(false);
    active[0]?.release();
    await next;
  });

  test('are refused while fifteen hang, and the one that waits as well when the fifteenth turns out to', async () => {
    const { workers, hanging } = await withHanging(14);
    const last = await workers.take(true);
    const waiting = workers.take(true);
    last.late();
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_LIBVIRT_UNRESPONSIVE' });
    await expect(workers.take(true)).rejects.toMatchObject({ code: 'ERR_LIBVIRT_UNRESPONSIVE' });
    hanging[0]?.release();
    await workers.take(true);
  });
});

test('calls that need no QEMU go on beside fifteen that hang, three at a time', async () => {
  const { workers } = await withHanging(15);
  const small = await Promise.all([1, 2, 3].map(() => workers.take(false)));
  const next = workers.take(false);
  expect(await isSettled(next)).toBe(false);
  small[1]?.release();
  await next;
});

test('eighteen that hang leave the daemon the rest of its workers', async () => {
  const { workers } = await withHanging(18);
  await expect(workers.take(false)).rejects.toMatchObject({ code: 'ERR_LIBVIRT_UNRESPONSIVE' });
});

test('strain begins with the twelfth call that hangs, and ends when one is answered', async () => {
  const { workers, hanging } = await withHanging(11);
  expect(workers.isStrained).toBe(false);
  (await workers.take(true)).late();
  expect(workers.isStrained).toBe(true);
  hanging[3]?.release();
  expect(workers.isStrained).toBe(false);
});
