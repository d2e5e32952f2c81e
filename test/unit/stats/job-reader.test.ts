import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { domainRunIds } from '../../../src/daemon/domain-run-id.ts';
import { XdrWriter } from '../../../src/libvirt/xdr.ts';
import { type DomainJob, JobReader, type JobResult } from '../../../src/stats/job-reader.ts';
import { advanceUntil, type FakeClock, fakeClock } from '../../support/fake-clock.ts';
import { fakeUuid } from '../../support/fake-hypervisor.ts';
import { afterHandshake, type FakeLibvirtd, startFakeLibvirtd } from '../../support/fake-libvirtd.ts';
import { type FakePool, poolOf } from '../../support/pool-of.ts';

const RUN = { uuid: fakeUuid(1), name: 'vm', id: 1 };
const GET_CONTROL_INFO = 229;
const GET_JOB_STATS = 298;
const OCCUPIED = 2;
const UNBOUNDED_JOB = 2;
const BACKUP = { params: new Map() };

let clock: FakeClock;
let daemon: FakeLibvirtd;
let fake: FakePool;
let reader: JobReader;
let isOccupied: boolean;
let jobType: number;
let fails: number | undefined;
/** A start that does not end holds the domain's job lock. */
let isHeld: boolean;

beforeEach(async () => {
  isOccupied = false;
  jobType = UNBOUNDED_JOB;
  fails = undefined;
  isHeld = false;
  daemon = await startFakeLibvirtd(
    afterHandshake(({ procedure, reply, fail }) => {
      if (fails !== undefined) {
        fail(fails, 'libvirt fails');
        return;
      }
      if (isHeld && procedure === GET_JOB_STATS) return;
      const out = new XdrWriter();
      if (procedure === GET_CONTROL_INFO)
        out
          .uint(isOccupied ? OCCUPIED : 0)
          .uint(0)
          .fixedOpaque(Buffer.alloc(8));
      else out.int(jobType).uint(0);
      reply(out.finish());
    }),
  );
  clock = fakeClock();
  fake = poolOf(daemon, undefined, clock);
  reader = new JobReader(fake.statistics);
});

afterEach(async () => {
  await fake.pool.stop();
  await daemon.stop();
});

const read = (timeoutMs = 5_000, run = RUN, isUnresponsive = false): Promise<JobResult> =>
  reader.read(run, { deadline: clock.now() + timeoutMs, hasAnsweredSince: () => true }, isUnresponsive);

async function job(result: Promise<JobResult>): Promise<DomainJob | 'none' | undefined> {
  const read = await result;
  return read.status === 'read' ? read.job : undefined;
}

const callsTo = (procedure: number): number =>
  daemon.received.filter((frame) => frame.procedure === procedure).length;

test('overlapping scrapes that find the monitor occupied all have the job known before, once', async () => {
  expect(await job(read())).toEqual(BACKUP);
  isOccupied = true;
  expect(await Promise.all([job(read()), job(read())])).toEqual([BACKUP, BACKUP]);
  expect(await read()).toEqual({ status: 'unknown' });
  isOccupied = false;
  expect(await job(read())).toEqual(BACKUP);
});

test('a domain whose QEMU does not respond keeps its job once, and libvirt is not called', async () => {
  expect(await job(read())).toEqual(BACKUP);
  const before = daemon.received.length;
  expect(await job(read(5_000, RUN, true))).toEqual(BACKUP);
  expect(await read(5_000, RUN, true)).toEqual({ status: 'unknown' });
  expect(daemon.received).toHaveLength(before);
});

test('a scrape without time leaves the job known before to the next', async () => {
  await read();
  expect(await read(0)).toEqual({ status: 'unknown' });
  isOccupied = true;
  expect(await job(read())).toEqual(BACKUP);
});

test('another run of the domain has no job of the one before', async () => {
  await read();
  isOccupied = true;
  const next = { ...RUN, id: 2 };
  reader.keepOnly(domainRunIds([next]));
  expect(await read(5_000, next)).toEqual({ status: 'unknown' });
});

test('a domain without a job is not read again for four seconds', async () => {
  jobType = 0;
  expect(await job(read())).toBe('none');
  jobType = UNBOUNDED_JOB;
  await clock.advance(3_999);
  expect(await job(read())).toBe('none');
  expect(callsTo(GET_JOB_STATS)).toBe(1);
  await clock.advance(1);
  expect(await job(read())).toEqual(BACKUP);
});

test('a domain whose job lock libvirt does not get in time is left alone for ten seconds, then longer', async () => {
  isHeld = true;
  const readInTime = (): Promise<JobResult> => advanceUntil(read(), clock, () => daemon.received.length);
  expect(await readInTime()).toEqual({ status: 'unknown' });
  expect(callsTo(GET_JOB_STATS)).toBe(1);
  const start = clock.now();
  const triesAt = async (afterMs: number): Promise<number> => {
    await clock.advance(start + afterMs - clock.now());
    await readInTime();
    return callsTo(GET_CONTROL_INFO);
  };
  expect(await triesAt(9_500)).toBe(1);
  expect(await triesAt(10_500)).toBe(2);
  expect(await triesAt(50_000)).toBe(2);
});

test.each([
  [42, { status: 'gone' }],
  [55, { status: 'gone' }],
  [1, { status: 'failed', error: expect.objectContaining({ number: 1 }) }],
])('error %i of libvirt', async (number, result) => {
  fails = number;
  expect(await read()).toEqual(result);
});
