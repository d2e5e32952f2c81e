import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import type { EmulatorFile } from '../../../src/host/emulator-file.ts';
import { EmulatorChanges } from '../../../src/snapshot/emulator-changes.ts';

const QEMU = '/usr/bin/qemu-system-x86_64';
/** The exporter has run for 100 s; the wall clock is at 1,000,100 s. */
const START_SECONDS = 1_000_000;
let now = 100_000;

beforeEach(() => {
  now = 100_000;
  jest.spyOn(performance, 'now').mockImplementation(() => now);
  jest.spyOn(Date, 'now').mockImplementation(() => START_SECONDS * 1000 + now);
});

afterEach(() => {
  jest.restoreAllMocks();
});

function file(changedSeconds: number, ino = 1): ReadonlyMap<string, EmulatorFile | 'missing'> {
  return new Map([[QEMU, { dev: 1, ino, bornSeconds: undefined, changedSeconds, isExecutable: true }]]);
}

test('a version that was read after the last change is that of the file', () => {
  const changes = new EmulatorChanges();
  expect(changes.note(file(START_SECONDS - 500), 50_000)).toBe(false);
  expect(changes.isCurrent(QEMU, 50_000)).toBe(true);
  expect(changes.isCurrent(QEMU, undefined)).toBe(false);
});

test('a file that was replaced makes libvirt examine it, and the version unknown until libvirt has', () => {
  const changes = new EmulatorChanges();
  changes.note(file(START_SECONDS - 500), 50_000);
  now = 115_000;
  expect(changes.note(file(START_SECONDS + 110, 2), 50_000)).toBe(true);
  expect(changes.isCurrent(QEMU, 50_000)).toBe(false);
  now = 130_000;
  expect(changes.note(file(START_SECONDS + 110, 2), 50_000)).toBe(false);
  expect(changes.isCurrent(QEMU, 50_000)).toBe(false);
  expect(changes.isCurrent(QEMU, 116_000)).toBe(true);
});

test('a file that is gone, and there again, has changed twice', () => {
  const changes = new EmulatorChanges();
  changes.note(file(START_SECONDS - 500), 50_000);
  expect(changes.note(new Map([[QEMU, 'missing']]), 50_000)).toBe(true);
  expect(changes.note(file(START_SECONDS - 500), 100_500)).toBe(true);
});

test('a file that had changed before its first look, but after the version was read', () => {
  const changes = new EmulatorChanges();
  expect(changes.note(file(START_SECONDS + 60), 50_000)).toBe(true);
  expect(changes.isCurrent(QEMU, 50_000)).toBe(false);
  expect(changes.isCurrent(QEMU, 70_000)).toBe(true);
});

test.each([
  ['from the future: the clock was set back', file(START_SECONDS + 9_999)],
  ['that cannot be seen', new Map()],
  ['that was never there', new Map([[QEMU, 'missing'] as const])],
])('a file %s says nothing against the version', (_, files) => {
  const changes = new EmulatorChanges();
  expect(changes.note(files, 50_000)).toBe(false);
  expect(changes.isCurrent(QEMU, 50_000)).toBe(true);
});
