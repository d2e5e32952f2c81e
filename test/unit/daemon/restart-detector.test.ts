import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { RestartDetector, readSocketTraces } from '../../../src/daemon/restart-detector.ts';
import { LibvirtTransportError, type TransportErrorCode } from '../../../src/libvirt/errors.ts';

const SOCKETS = '24:1001';

/** As openConnection fails: the system's error is the cause of a cause. */
function failure(systemCode: string | undefined, code: TransportErrorCode = 'ERR_LIBVIRT_CONNECT'): Error {
  const system =
    systemCode === undefined ? undefined : Object.assign(new Error(systemCode), { code: systemCode });
  const cause = new LibvirtTransportError(code, 'one socket', { cause: system });
  return new LibvirtTransportError(code, 'no libvirt socket accepts a connection', { cause });
}

describe('a new connection', () => {
  test.each([
    // What the last connection saw, what the new one sees, whether the daemon was restarted.
    ['a socket file made anew', [1, 2, 3], '24:1002', [1, 2, 3], true],
    ['a socket file that is the same, numbers that go on', [1, 2, 3], SOCKETS, [4, 5, 6], false],
    [
      'numbers that go on after a gap, other clients having subscribed',
      [1, 2, 3],
      SOCKETS,
      [17, 19, 20],
      false,
    ],
    ['numbers that begin anew', [4, 5, 6], SOCKETS, [0, 1, 2], true],
    ['numbers that begin anew and overlap', [1, 2, 3], SOCKETS, [3, 4, 5], true],
    ['constant numbers, which say nothing', [1, 1, 1], SOCKETS, [1, 1, 1], false],
    ['numbers that were constant before', [9, 9, 9], SOCKETS, [0, 1, 2], false],
    ['numbers that count down', [4, 5, 6], SOCKETS, [3, 2, 1], false],
    ['one number, which shows no counting', [4], SOCKETS, [1], false],
    ['no numbers, from a daemon without events', [], SOCKETS, [], false],
  ] as const)('with %s', (_, lastIds, sockets, callbackIds, isRestarted) => {
    const detector = new RestartDetector();
    expect(detector.connected({ sockets: SOCKETS, callbackIds: lastIds })).toBe(false);
    expect(detector.connected({ sockets, callbackIds })).toBe(isRestarted);
    // Said once: the next connection is compared with this one.
    expect(detector.connected({ sockets, callbackIds: callbackIds.map((id) => id + 100) })).toBe(false);
  });

  test.each([
    ['nobody listening', failure('ECONNREFUSED'), true],
    ['no socket', failure('ENOENT'), true],
    ['no permission', failure('EACCES'), false],
    ['no answer', failure(undefined, 'ERR_LIBVIRT_TIMEOUT'), false],
    ['something else', new Error('ECONNREFUSED'), false],
    ['no error object', 'ENOENT', false],
  ])('after an attempt that met %s', (_, error, isRestarted) => {
    const detector = new RestartDetector();
    detector.attemptFailed(error);
    // The first connection follows no other.
    expect(detector.connected({ sockets: SOCKETS, callbackIds: [1, 2] })).toBe(false);
    detector.attemptFailed(error);
    detector.attemptFailed(failure('EACCES'));
    expect(detector.connected({ sockets: SOCKETS, callbackIds: [3, 4] })).toBe(isRestarted);
    expect(detector.connected({ sockets: SOCKETS, callbackIds: [5, 6] })).toBe(false);
  });
});

describe('what is known of socket files', () => {
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'socket-traces-'));
  });

  afterEach(() => rm(directory, { recursive: true, force: true }));

  test('changes when one is made anew, and does not change otherwise', async () => {
    const [path, another] = [join(directory, 'sock'), join(directory, 'another')];
    for (const file of [path, another]) await writeFile(file, '');
    const before = await readSocketTraces([path]);
    await writeFile(path, 'written to');
    expect(await readSocketTraces([path])).toBe(before);
    await rename(another, path);
    expect(await readSocketTraces([path])).not.toBe(before);
  });

  test('takes in all files of the target, and those that are not there', async () => {
    const path = join(directory, 'sock');
    await writeFile(path, '');
    expect(await readSocketTraces([join(directory, 'absent'), path])).toMatch(/^,\d+:\d+:[\d.]+$/);
    expect(await readSocketTraces([])).toBe('');
  });
});
