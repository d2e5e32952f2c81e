import { afterEach, expect, test } from '@jest/globals';
import { XdrWriter } from '../../../src/libvirt/xdr.ts';
import { CpuReader } from '../../../src/stats/cpu-reader.ts';
import { fakeUuid } from '../../support/fake-hypervisor.ts';
import {
  afterHandshake,
  type FakeLibvirtd,
  type IncomingCall,
  startFakeLibvirtd,
} from '../../support/fake-libvirtd.ts';
import { type FakePool, poolOf } from '../../support/pool-of.ts';

const RUN = { uuid: fakeUuid(1), name: 'vm', id: 1 };
const GET_CPU_STATS = 262;
const ULLONG = 4;

let daemon: FakeLibvirtd;
let fake: FakePool;

afterEach(async () => {
  await fake.pool.stop();
  await daemon.stop();
});

/** A reader whose libvirt returns 7 s by the process, and by the cgroup what `cgroup` answers. */
async function readerOf(cgroup: (call: IncomingCall) => void): Promise<CpuReader> {
  daemon = await startFakeLibvirtd(
    afterHandshake((call) => {
      if (call.procedure === GET_CPU_STATS) {
        cgroup(call);
        return;
      }
      const info = new XdrWriter().int(1).fixedOpaque(hyper(0)).fixedOpaque(hyper(0)).int(1);
      call.reply(info.fixedOpaque(hyper(7_000_000_000)).finish());
    }),
  );
  fake = poolOf(daemon);
  return new CpuReader(fake.statistics);
}

function tenSeconds(call: IncomingCall): void {
  const param = new XdrWriter().uint(1).string('cpu_time').int(ULLONG);
  call.reply(param.fixedOpaque(hyper(10_000_000_000)).int(1).finish());
}

const unsupported = (call: IncomingCall): void => call.fail(55, 'cgroup CPUACCT controller is not mounted');
const empty = (call: IncomingCall): void => call.reply(new XdrWriter().uint(0).int(0).finish());

function hyper(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

async function total(reader: CpuReader, run = RUN): Promise<number | undefined> {
  const { times } = await reader.read([run], performance.now() + 5_000);
  return [...times.values()][0]?.total;
}

test.each([
  ['is refused', unsupported],
  ['returns nothing', empty],
])('where the cgroup %s, the time of the process is read', async (_what, cgroup) => {
  expect(await total(await readerOf(cgroup))).toBe(7);
});

test('a domain that does not run any more is no failure', async () => {
  const reader = await readerOf((call) => call.fail(42, 'Domain not found'));
  const { times, failure } = await reader.read([RUN], performance.now() + 5_000);
  expect([...times]).toEqual([]);
  expect(failure).toBeUndefined();
});

test('a run keeps its source, so that the counter never seems to jump', async () => {
  let available = true;
  const reader = await readerOf((call) => (available ? tenSeconds(call) : unsupported(call)));
  expect(await total(reader)).toBe(10);
  available = false;
  expect(await total(reader)).toBeUndefined();
  available = true;
  expect(await total(reader)).toBe(10);
});

test('an error that may pass does not choose the source', async () => {
  let starting = true;
  const reader = await readerOf((call) => (starting ? call.fail(1, 'not yet') : tenSeconds(call)));
  expect(await total(reader)).toBeUndefined();
  starting = false;
  expect(await total(reader)).toBe(10);
});

test('another run has its source chosen anew', async () => {
  let available = false;
  const reader = await readerOf((call) => (available ? tenSeconds(call) : unsupported(call)));
  expect(await total(reader)).toBe(7);
  available = true;
  expect(await total(reader)).toBe(7);
  expect(await total(reader, { ...RUN, id: 2 })).toBe(10);
});
