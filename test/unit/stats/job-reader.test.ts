import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { XdrWriter } from '../../../src/libvirt/xdr.ts';
import { JobReader, type JobReading } from '../../../src/stats/job-reader.ts';
import type { PendingCalls } from '../../../src/stats/pending-calls.ts';
import { PerDomainCalls } from '../../../src/stats/per-domain-calls.ts';
import { fakeUuid } from '../../support/fake-hypervisor.ts';
import { afterHandshake, type FakeLibvirtd, startFakeLibvirtd } from '../../support/fake-libvirtd.ts';
import { callsTo } from './calls-to.ts';

const RUN = { uuid: fakeUuid(1), name: 'vm', id: 1 };
const GET_CONTROL_INFO = 229;
const OCCUPIED = 2;
const UNBOUNDED_JOB = 2;
const BACKUP = { params: new Map() };

let daemon: FakeLibvirtd;
let calls: PendingCalls;
let reader: JobReader;
let isOccupied: boolean;

beforeEach(async () => {
  isOccupied = false;
  daemon = await startFakeLibvirtd(
    afterHandshake(({ procedure, reply }) => {
      const out = new XdrWriter();
      if (procedure === GET_CONTROL_INFO)
        out
          .uint(isOccupied ? OCCUPIED : 0)
          .uint(0)
          .fixedOpaque(Buffer.alloc(8));
      else out.int(UNBOUNDED_JOB).uint(0);
      reply(out.finish());
    }),
  );
  calls = callsTo(daemon);
  reader = new JobReader(new PerDomainCalls({ calls, needsQemu: true }));
});

afterEach(async () => {
  await calls.stop();
  await daemon.stop();
});

const read = (timeoutMs = 5_000): Promise<JobReading> => reader.read([RUN], performance.now() + timeoutMs);

const job = async (reading: Promise<JobReading>) => [...(await reading).jobs.values()][0];

test('readings at once that find the monitor occupied all tell the job known before, for one round', async () => {
  expect(await job(read())).toEqual(BACKUP);
  isOccupied = true;
  expect(await Promise.all([job(read()), job(read())])).toEqual([BACKUP, BACKUP]);
  expect(await job(read())).toBeUndefined();
  isOccupied = false;
  expect(await job(read())).toEqual(BACKUP);
});

test('a reading without time leaves what is known to the next', async () => {
  await read();
  expect(await job(read(0))).toBeUndefined();
  isOccupied = true;
  expect(await job(read())).toEqual(BACKUP);
});

test('another run of the domain has no job of the one before', async () => {
  await read();
  isOccupied = true;
  const { jobs } = await reader.read([{ ...RUN, id: 2 }], performance.now() + 5_000);
  expect([...jobs]).toEqual([]);
  expect(await job(read())).toBeUndefined();
});
