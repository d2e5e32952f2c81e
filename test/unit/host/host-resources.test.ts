import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { countCpus, createHostResources } from '../../../src/host/host-resources.ts';
import { temporaryDirectory } from './fake-proc.ts';
import { writeTree } from './file-tree.ts';

let root: string;

beforeEach(async () => {
  root = await temporaryDirectory();
});

afterEach(() => rm(root, { recursive: true }));

const read = () => createHostResources({ proc: join(root, 'proc'), onlineCpus: join(root, 'online') })();

const FILES = {
  online: '0-1\n',
  'proc/meminfo': 'MemTotal:       24658140 kB\nMemFree:         1234 kB\n',
  'proc/pressure/cpu':
    'some avg10=71.46 avg60=63.99 avg300=52.33 total=4512748959\nfull avg10=0.00 total=0\n',
  'proc/pressure/io': 'some avg10=0.00 total=159169944\nfull avg10=0.00 total=109379566\n',
};

describe('the resources of the host', () => {
  test('are CPUs, memory and the pressure that the kernel counts', async () => {
    await writeTree(root, FILES);
    expect(read()).toEqual({
      cpus: 2,
      memoryBytes: 25_249_935_360,
      pressure: new Map([
        ['io', { some: 159_169_944, full: 109_379_566 }],
        ['cpu', { some: 4_512_748_959, full: 0 }],
      ]),
    });
  });

  test('are unknown where nothing can be read', () => {
    expect(read()).toEqual({ cpus: undefined, memoryBytes: undefined, pressure: new Map() });
  });

  test.each([
    ['online', '', { cpus: undefined, memoryBytes: 25_249_935_360 }],
    ['proc/meminfo', 'MemTotal: many kB\n', { cpus: 2, memoryBytes: undefined }],
    ['proc/meminfo', 'MemTotal: 0 kB\n', { cpus: 2, memoryBytes: undefined }],
  ])('lose only what %s should have', async (file, text, expected) => {
    await writeTree(root, { ...FILES, [file]: text });
    expect(read()).toMatchObject(expected);
  });
});

test.each([
  ['0\n', 1],
  ['0-63\n', 64],
  ['0-3,8,10-11\n', 7],
  ['', undefined],
  ['\n', undefined],
  ['3-1\n', undefined],
  ['0-x\n', undefined],
  [undefined, undefined],
])('the list of CPUs %j has %s', (list, cpus) => {
  expect(countCpus(list)).toBe(cpus);
});
