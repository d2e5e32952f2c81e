import { afterEach, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { XdrReader, XdrWriter } from '../../../src/libvirt/xdr.ts';
import { StoragePoolReader, type StoragePools } from '../../../src/stats/storage-pools.ts';
import { advanceUntil, type FakeClock, fakeClock } from '../../support/fake-clock.ts';
import { fakeUuid } from '../../support/fake-hypervisor.ts';
import {
  afterHandshake,
  type CallHandler,
  type FakeLibvirtd,
  type IncomingCall,
  startFakeLibvirtd,
} from '../../support/fake-libvirtd.ts';
import { type FakePool, poolOf } from '../../support/pool-of.ts';

const AMPLE_MS = 5_000;
/** Time moves on in such steps. */
const STEP_MS = 25;
const LIST = 281;

let clock: FakeClock;
let daemon: FakeLibvirtd;
let fake: FakePool;
let log: Record<string, unknown>[];

afterEach(async () => {
  await fake.pool.stop();
  await daemon.stop();
});

async function readerOf(handler: CallHandler): Promise<StoragePoolReader> {
  daemon = await startFakeLibvirtd(afterHandshake(handler));
  clock = fakeClock();
  fake = poolOf(daemon, undefined, clock);
  log = [];
  const logger = pino({ base: null }, { write: (line: string) => log.push(JSON.parse(line)) });
  return new StoragePoolReader(fake.statistics, logger);
}

/** The reader of a daemon with these pools; `answer` answers for each of them, or does not. */
function setUp(
  names: readonly string[],
  answer: (name: string, call: IncomingCall) => void,
): Promise<StoragePoolReader> {
  return readerOf((call) => {
    if (call.procedure !== LIST) {
      answer(new XdrReader(call.payload).string(256), call);
      return;
    }
    const out = new XdrWriter();
    out.array(names, (name) =>
      out.string(name).fixedOpaque(Buffer.from(fakeUuid(1).replaceAll('-', ''), 'hex')),
    );
    call.reply(out.uint(names.length).finish());
  });
}

function sizes(call: IncomingCall): void {
  const size = Buffer.from('00000000000f4240', 'hex');
  call.reply(new XdrWriter().int(2).fixedOpaque(size).fixedOpaque(size).fixedOpaque(size).finish());
}

const read = (reader: StoragePoolReader, withinMs = AMPLE_MS): Promise<StoragePools> =>
  advanceUntil(reader.read(clock.now() + withinMs), clock, () => daemon.received.length);

const namesOf = ({ pools }: StoragePools) => pools?.map(({ name }) => name);

test('each pool with its state and sizes; of two of one name the first', async () => {
  const reader = await setUp(['a', 'b', 'a'], (_name, call) => sizes(call));
  const result = await read(reader);
  expect(namesOf(result)).toEqual(['a', 'b']);
  expect(result.failed).toBe(false);
  expect(result.pools?.[0]).toMatchObject({ state: 2, capacity: 1_000_000 });
});

test('a pool that cannot be read takes nothing from the others, and is logged once', async () => {
  const reader = await setUp(['bad', 'good'], (name, call) =>
    name === 'bad' ? call.fail(38, 'cannot stat') : sizes(call),
  );
  for (let round = 0; round < 3; round++) {
    expect(namesOf(await read(reader))).toEqual(['good']);
  }
  expect(log).toMatchObject([{ pool: 'bad', level: 40 }]);
});

test('a pool that hangs is waited for once, and the others keep their values', async () => {
  let hangs = false;
  const called: string[] = [];
  const reader = await setUp(['slow', 'quick'], (name, call) => {
    called.push(name);
    if (name !== 'slow' || !hangs) sizes(call);
  });
  await read(reader);
  expect(clock.now()).toBe(0);
  hangs = true;
  expect(namesOf(await read(reader))).toEqual(['slow', 'quick']);
  const waitedMs = clock.now();
  expect(waitedMs).toBeGreaterThanOrEqual(1_000);
  expect(waitedMs).toBeLessThan(1_100);
  expect(namesOf(await read(reader))).toEqual(['slow', 'quick']);
  expect(clock.now()).toBeLessThanOrEqual(waitedMs + STEP_MS);
  expect(called.filter((name) => name === 'slow')).toHaveLength(2);
});

test('a scrape with less time than a hung pool is given ends in time', async () => {
  const reader = await setUp(['slow'], () => undefined);
  expect(await read(reader, 200)).toEqual({ pools: [], failed: true });
  expect(clock.now()).toBeLessThanOrEqual(200 + STEP_MS);
});

test('a pool that hangs keeps its last values for a minute', async () => {
  let hangs = false;
  const reader = await setUp(['slow', 'quick'], (name, call) => {
    if (name !== 'slow' || !hangs) sizes(call);
  });
  await read(reader);
  hangs = true;
  await read(reader);
  await clock.advance(59_900 - clock.now());
  expect(namesOf(await read(reader))).toEqual(['slow', 'quick']);
  await clock.advance(60_000 - clock.now());
  expect(namesOf(await read(reader))).toEqual(['quick']);
  expect(log).toMatchObject([{ pool: 'slow', level: 40 }]);
});

test('pools that libvirt has not listed for a minute are missing', async () => {
  let hangs = false;
  const reader = await readerOf((call) => {
    if (!hangs) call.reply(new XdrWriter().uint(0).uint(0).finish());
  });
  expect(await read(reader)).toEqual({ pools: [], failed: false });
  hangs = true;
  expect(await read(reader)).toEqual({ pools: [], failed: false });
  await clock.advance(60_000 - clock.now());
  expect(await read(reader)).toEqual({ pools: undefined, failed: true });
});

test('a daemon without storage has no pools, and nothing is logged', async () => {
  const reader = await readerOf((call) => call.fail(3, 'no storage driver'));
  expect(await read(reader)).toEqual({ pools: undefined, failed: false });
  expect(log).toEqual([]);
});

test('pools that cannot be listed have failed, until they can be', async () => {
  let refuses = true;
  const reader = await readerOf((call) => {
    if (refuses) call.fail(38, 'cannot reach virtstoraged');
    else call.reply(new XdrWriter().uint(0).uint(0).finish());
  });
  for (let round = 0; round < 2; round++)
    expect(await read(reader)).toEqual({ pools: undefined, failed: true });
  expect(log).toHaveLength(1);
  refuses = false;
  expect(await read(reader)).toEqual({ pools: [], failed: false });
});

test('pools have failed when not one of them can be read', async () => {
  const reader = await setUp(['a', 'b'], (_name, call) => call.fail(38, 'cannot stat'));
  expect(await read(reader)).toEqual({ pools: [], failed: true });
});
