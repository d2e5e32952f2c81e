import { beforeEach, describe, expect, test } from '@jest/globals';
import type { CallResult } from '../../../src/daemon/call-pool.ts';
import { LibvirtServerError } from '../../../src/libvirt/errors.ts';
import type { BlockJobInfo } from '../../../src/libvirt/procedures/stats.ts';
import { BlockJobReader } from '../../../src/stats/block-job-reader.ts';
import type { DiskImage } from '../../../src/stats/domain-stats.ts';
import { fakeUuid } from '../../support/fake-hypervisor.ts';

const TERMS = { deadline: Number.POSITIVE_INFINITY, hasAnsweredSince: () => true };
const PLAIN: readonly DiskImage[] = [{ path: '/a', index: 1 }];
const COPIED: readonly DiskImage[] = [...PLAIN, { path: '/copy', index: 2 }];
const OVERLAY: readonly DiskImage[] = [
  { path: '/overlay', index: 2 },
  { path: '/a', index: 1 },
];
const run = (number: number) => ({ uuid: fakeUuid(number), name: `vm-${number}`, id: number });
const info = (type: number): BlockJobInfo => ({ type, processed: 1, total: 2 });

let calls: string[];
let answer: () => Promise<CallResult<BlockJobInfo | undefined>>;
let reader: BlockJobReader;

beforeEach(() => {
  calls = [];
  answer = async () => ({ status: 'answered', value: undefined });
  reader = new BlockJobReader({
    blockJob: (domain, device) => {
      calls.push(`${domain.name} ${device}`);
      return answer();
    },
  });
});

const finds = (type: number): void => {
  answer = async () => ({ status: 'answered', value: info(type) });
};

/** One round over these domains; the jobs of the first. */
async function round(...domains: readonly (readonly DiskImage[])[]): Promise<[string, string][]> {
  calls = [];
  reader.begin();
  const jobs = await Promise.all(
    domains.map((images, index) => reader.read(run(index + 1), new Map([['vda', images]]), TERMS)),
  );
  return [...(jobs[0] ?? [])];
}

test('a disk without more images than its own is not looked at', async () => {
  for (let scrape = 0; scrape < 3; scrape++) expect(await round(PLAIN)).toEqual([]);
  expect(calls).toEqual([]);
});

test('a copy shows in the round in which its target appears, until it ends', async () => {
  await round(PLAIN);
  finds(2);
  expect(await round(COPIED)).toEqual([['vda', 'copy']]);
  expect(await round(COPIED)).toEqual([['vda', 'copy']]);
  answer = async () => ({ status: 'answered', value: undefined });
  expect(await round([{ path: '/copy', index: 2 }])).toEqual([]);
  await round([{ path: '/copy', index: 2 }]);
  expect(calls).toEqual([]);
});

test.each([
  [1, 'pull'],
  [3, 'commit'],
  [4, 'active_commit'],
  [5, 'backup'],
  [99, 'unknown'],
])('job %i is %s', async (type, name) => {
  finds(type);
  expect(await round(OVERLAY)).toEqual([['vda', name]]);
});

describe('disks with backing images, whose jobs change no image', () => {
  test('are looked at in each round where there are few', async () => {
    await round(OVERLAY);
    finds(4);
    expect(await round(OVERLAY)).toEqual([['vda', 'active_commit']]);
  });

  test('are looked at in turn where there are many', async () => {
    const fleet = Array.from({ length: 48 }, () => OVERLAY);
    await round(...fleet);
    const looks: number[] = [];
    for (let scrape = 0; scrape < 6; scrape++) {
      await round(...fleet);
      looks.push(calls.length);
    }
    expect(looks.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(2 * 48);
    expect(Math.max(...looks)).toBeLessThanOrEqual(48);
  });
});

test('a job that libvirt does not report in time stays as it was', async () => {
  await round(PLAIN);
  finds(2);
  await round(COPIED);
  answer = async () => ({ status: 'unresponsive' });
  expect(await round(COPIED)).toEqual([['vda', 'copy']]);
});

test('a refused call means no job', async () => {
  answer = async () => {
    throw new LibvirtServerError(55, 10, 'domain is not running');
  };
  expect(await round(OVERLAY)).toEqual([]);
});

test('runs that are over are forgotten', async () => {
  await round(PLAIN);
  finds(2);
  await round(COPIED);
  reader.keepOnly(new Set());
  answer = async () => ({ status: 'answered', value: undefined });
  expect(await round(PLAIN)).toEqual([]);
  expect(calls).toEqual([]);
});
