import { expect, test } from '@jest/globals';
import type { QemuProcess } from '../../../src/host/qemu-process.ts';
import { qemuEvidence } from '../../../src/snapshot/qemu-evidence.ts';
import { RunVersions } from '../../../src/snapshot/run-versions.ts';

const UUID = '00000000-0000-4000-8000-000000000001';
const STARTED: QemuProcess = {
  pid: 70,
  startSeconds: 5_000,
  startAfterBootSeconds: 100,
  cpuSeconds: 0,
  binary: undefined,
  cpuSource: undefined,
};
const INSTALLED = { dev: 1, ino: 2, bornSeconds: 1_000, changedSeconds: 1_000, isExecutable: true };
const BEFORE = { installedVersion: '7.2.22', emulatorFile: INSTALLED };
/** libvirt has not examined the new file yet. */
const REPLACED = {
  installedVersion: undefined,
  emulatorFile: { ...INSTALLED, ino: 3, bornSeconds: 9_000, changedSeconds: 9_000 },
};

function note(
  versions: RunVersions,
  process: QemuProcess | undefined,
  seen: typeof BEFORE | typeof REPLACED,
): void {
  const noOther = {
    loggedVersion: undefined,
    startedWithVersion: undefined,
    startObservedSeconds: undefined,
  };
  versions.note(UUID, process, qemuEvidence({ ...noOther, ...seen, process }));
}

test('what the start time showed before an upgrade is known after it', () => {
  const versions = new RunVersions();
  note(versions, STARTED, BEFORE);
  note(versions, STARTED, REPLACED);
  expect(versions.of(UUID, STARTED)).toEqual({ runningVersion: '7.2.22', source: 'start_time' });
});

test('a step of the clock or a restart of the daemon does not matter, another process does', () => {
  const versions = new RunVersions();
  note(versions, STARTED, BEFORE);
  expect(versions.of(UUID, { ...STARTED, startSeconds: 8_600 })?.runningVersion).toBe('7.2.22');
  expect(versions.of(UUID, { ...STARTED, pid: 71 })).toBeUndefined();
  expect(versions.of(UUID, { ...STARTED, startAfterBootSeconds: 101 })).toBeUndefined();
  expect(versions.of(UUID, undefined)).toBeUndefined();
});

test('a new run replaces the former, and a domain that is gone is forgotten', () => {
  const versions = new RunVersions();
  note(versions, STARTED, BEFORE);
  const again = { ...STARTED, pid: 90, startSeconds: 9_500, startAfterBootSeconds: 4_600 };
  note(versions, again, { ...REPLACED, installedVersion: '7.2.23' } as unknown as typeof BEFORE);
  expect(versions.of(UUID, again)?.runningVersion).toBe('7.2.23');
  expect(versions.of(UUID, STARTED)).toBeUndefined();
  versions.keepOnly(new Set());
  expect(versions.of(UUID, again)).toBeUndefined();
});

test('nothing is made up: without evidence, or without a process, nothing is remembered', () => {
  const versions = new RunVersions();
  note(versions, STARTED, REPLACED);
  note(versions, undefined, BEFORE);
  expect(versions.of(UUID, STARTED)).toBeUndefined();
});
