import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { CALLS_AT_A_TIME, CallPool, type PoolCall } from '../../../src/daemon/call-pool.ts';
import { UnresponsiveDomains } from '../../../src/daemon/unresponsive-domains.ts';
import { WorkerBudget } from '../../../src/daemon/worker-budget.ts';
import { nothing, type Priority, remote } from '../../../src/libvirt/procedures/procedure.ts';
import type { DomainRef } from '../../../src/libvirt/types.ts';
import { type FakeClock, fakeClock, isSettled, settle } from '../../support/fake-clock.ts';
import { fakeUuid } from '../../support/fake-hypervisor.ts';
import {
  type FakeCall,
  type FakePoolConnections,
  fakePoolConnections,
} from '../../support/fake-pool-connection.ts';

const ORPHAN_MS = 45_000;
/** A call that has had no answer for this long, and for the time of one sweep, gives its slot away. */
const STALLED_MS = 250 + 25;
const UNRESPONSIVE_MS = 1_000 + 25;
const FAR = Number.POSITIVE_INFINITY;

const domain = (number: number): DomainRef => ({ name: `vm-${number}`, uuid: fakeUuid(number), id: number });
const procedure = (priority: Priority) => remote<string, unknown>('FAKE', 1, priority, nothing, nothing);

let clock: FakeClock;
let budget: WorkerBudget;
let unresponsive: UnresponsiveDomains;
let connections: FakePoolConnections;
let pool: CallPool;

function setUp(onCall?: (call: FakeCall) => void): void {
  clock = fakeClock();
  budget = new WorkerBudget(clock);
  unresponsive = new UnresponsiveDomains(pino({ level: 'silent' }));
  connections = fakePoolConnections(onCall);
  pool = new CallPool({ open: connections.open, budget, unresponsive, clock });
}

beforeEach(() => setUp());
afterEach(() => pool.stop());

/** A statistics call about a domain, its key and its arguments being `key`. */
function statistics(key: string, more: Partial<PoolCall<string, unknown>> = {}): PoolCall<string, unknown> {
  return { key, use: 'statistics', procedure: procedure('low'), args: key, deadline: FAR, ...more };
}

const begin = (call: PoolCall<string, unknown>) => pool.call(call);
const sent = (): unknown[] => connections.calls.map(({ args }) => args);

/** The call with these arguments; the last one, if there were several. */
function callOf(key: string): FakeCall {
  const call = connections.calls.findLast(({ args }) => args === key);
  if (call === undefined) throw new Error(`no call ${key}`);
  return call;
}

describe('a call that is answered', () => {
  test('settles with the answer, and gives back its slot, its worker and its key', async () => {
    const { result, answer } = begin(statistics('a'));
    await settle();
    expect(budget.held).toBe(1);
    callOf('a').reply('value');
    expect(await result).toEqual({ status: 'answered', value: 'value' });
    expect(await answer).toBe('value');
    expect(budget.held).toBe(0);
    begin(statistics('a'));
    await settle();
    expect(sent()).toEqual(['a', 'a']);
  });

  test('by an error rejects with it', async () => {
    const { result, answer } = begin(statistics('a'));
    await settle();
    callOf('a').fail(42);
    await expect(result).rejects.toMatchObject({ name: 'LibvirtServerError', number: 42 });
    await expect(answer).rejects.toMatchObject({ number: 42 });
    expect(budget.held).toBe(0);
  });

  test('lets the next one be sent: four are waited for at a time', async () => {
    const keys = Array.from({ length: 10 }, (_, index) => `call ${index}`);
    for (const key of keys) begin(statistics(key));
    await settle();
    expect(CALLS_AT_A_TIME).toBe(4);
    for (let answered = 0; answered < keys.length; answered++) {
      expect(sent()).toEqual(keys.slice(0, answered + 4));
      expect(budget.held).toBe(Math.min(4, keys.length - answered));
      callOf(`call ${answered}`).reply();
      await settle();
    }
    expect(connections.opened).toHaveLength(1);
  });
});

describe('a call that has no answer', () => {
  test('keeps its slot for 250 ms, and its worker for as long as it takes', async () => {
    for (let index = 0; index < 5; index++) begin(statistics(`call ${index}`));
    await clock.advance(249);
    expect(sent()).toHaveLength(4);
    await clock.advance(STALLED_MS - 249);
    expect(sent()).toHaveLength(5);
    expect(budget.held).toBe(5);
    // Four on the first connection, the fifth on one of its own.
    expect(connections.opened.map(({ room }) => room)).toEqual([0, 3]);
    await clock.advance(3_600_000);
    expect(budget.held).toBe(5);
  });

  test('is unresponsive after a second, and so is its domain', async () => {
    const { result, answer } = begin(statistics('a', { waitsFor: { domain: domain(1), cause: 'monitor' } }));
    await clock.advance(999);
    expect(await isSettled(result)).toBe(false);
    expect(unresponsive.has(domain(1))).toBe(false);
    await clock.advance(UNRESPONSIVE_MS - 999);
    expect(await result).toEqual({ status: 'unresponsive' });
    expect(await isSettled(answer)).toBe(false);
    expect(unresponsive.has(domain(1))).toBe(true);
  });

  test('is not sent a second time, before and after it is unresponsive', async () => {
    const first = begin(statistics('a', { waitsFor: { domain: domain(1), cause: 'monitor' } }));
    await settle();
    const second = begin(statistics('a', { waitsFor: { domain: domain(1), cause: 'monitor' } }));
    expect(await isSettled(second.result)).toBe(false);
    await clock.advance(UNRESPONSIVE_MS);
    expect(await Promise.all([first.result, second.result])).toEqual([
      { status: 'unresponsive' },
      { status: 'unresponsive' },
    ]);
    // Nobody waits a second for it again.
    const third = begin(statistics('a', { waitsFor: { domain: domain(1), cause: 'monitor' } }));
    expect(await third.result).toEqual({ status: 'unresponsive' });
    expect(sent()).toEqual(['a']);
    callOf('a').reply('value');
    expect(await Promise.all([first.answer, second.answer, third.answer])).toEqual([
      'value',
      'value',
      'value',
    ]);
  });

  test('ends with its answer however much later that comes: domain and key are as any other again', async () => {
    begin(statistics('a', { waitsFor: { domain: domain(1), cause: 'monitor' } }));
    await clock.advance(20 * 24 * 3_600_000);
    expect(unresponsive.has(domain(1))).toBe(true);
    callOf('a').reply('after days');
    await settle();
    expect(unresponsive.has(domain(1))).toBe(false);
    expect(budget.held).toBe(0);
    const again = begin(statistics('a', { waitsFor: { domain: domain(1), cause: 'monitor' } }));
    await settle();
    callOf('a').reply('in time');
    expect(await again.result).toEqual({ status: 'answered', value: 'in time' });
    expect(sent()).toEqual(['a', 'a']);
  });

  test('that ends with an error from libvirt shows that its QEMU is no longer waited for', async () => {
    begin(statistics('a', { waitsFor: { domain: domain(1), cause: 'monitor' } }));
    await clock.advance(30_000);
    callOf('a').fail(68);
    await settle();
    expect(unresponsive.has(domain(1))).toBe(false);
    expect(budget.held).toBe(0);
  });

  test('does not block another run of its domain', async () => {
    begin(statistics('run 1', { waitsFor: { domain: domain(1), cause: 'monitor' } }));
    await clock.advance(UNRESPONSIVE_MS);
    const next = { ...domain(1), id: 99 };
    const { result } = begin(statistics('run 99', { waitsFor: { domain: next, cause: 'monitor' } }));
    await settle();
    callOf('run 99').reply('value');
    expect(await result).toMatchObject({ status: 'answered' });
    expect(unresponsive.has(next)).toBe(false);
    expect(unresponsive.has(domain(1))).toBe(true);
  });

  test('costs the others no more than a quarter of a second for each four', async () => {
    setUp((call) => {
      if (!String(call.args).startsWith('hung')) call.reply();
    });
    const keys = [
      ...Array.from({ length: 14 }, (_, index) => `hung ${index}`),
      ...Array.from({ length: 86 }, (_, index) => `well ${index}`),
    ];
    const results = keys.map((key) => begin(statistics(key)).result);
    await clock.advance(4 * STALLED_MS);
    for (const result of results.slice(14)) expect(await result).toMatchObject({ status: 'answered' });
    expect(budget.held).toBe(14);
    expect(connections.opened).toHaveLength(4);
    // The next time nobody waits.
    const again = keys.map((key) => begin(statistics(key)).result);
    await settle();
    await clock.advance(1);
    for (const result of again.slice(14)) expect(await isSettled(result)).toBe(true);
    expect(connections.calls).toHaveLength(100 + 86);
  });
});

describe('a call whose deadline has passed', () => {
  const fill = (): void => {
    for (let index = 0; index < 4; index++) begin(statistics(`hung ${index}`));
  };

  test('while it waited for a slot is not sent', async () => {
    fill();
    const { result, answer } = begin(statistics('a', { deadline: 100 }));
    await clock.advance(STALLED_MS);
    expect(await result).toEqual({ status: 'unsent' });
    await expect(answer).rejects.toMatchObject({ code: 'ERR_LIBVIRT_TIMEOUT' });
    expect(sent()).toHaveLength(4);
    expect(budget.held).toBe(4);
  });

  test('while it waited for a worker is not sent, and gives back the worker', async () => {
    const leases = await Promise.all(
      Array.from({ length: 4 }, () => budget.acquire({ use: 'configuration' })),
    );
    const { result } = begin(statistics('a', { use: 'configuration', deadline: 100 }));
    await clock.advance(200);
    leases[0]?.release();
    expect(await result).toEqual({ status: 'unsent' });
    expect(budget.held).toBe(3);
    expect(sent()).toEqual([]);
  });

  test('and that somebody with more time joins is sent', async () => {
    fill();
    const first = begin(statistics('a', { deadline: 100 }));
    begin(statistics('a', { deadline: FAR }));
    begin(statistics('a', { deadline: 50 }));
    await clock.advance(STALLED_MS);
    callOf('a').reply('value');
    expect(await first.result).toEqual({ status: 'answered', value: 'value' });
  });

  test('leaves its slot to the next', async () => {
    fill();
    begin(statistics('a', { deadline: 100 }));
    begin(statistics('b'));
    await clock.advance(STALLED_MS);
    expect(sent()).toContain('b');
    expect(sent()).not.toContain('a');
  });

  test('once it was sent is still answered', async () => {
    const { result } = begin(statistics('a', { deadline: 100 }));
    await clock.advance(900);
    callOf('a').reply('value');
    expect(await result).toMatchObject({ status: 'answered' });
  });
});

describe('on a host where calls take long', () => {
  /** Has one call answered after this time. */
  const answerAfter = async (ms: number, key = 'slow'): Promise<void> => {
    begin(statistics(key, { waitsFor: { domain: domain(50), cause: 'monitor' } }));
    await clock.advance(ms);
    callOf(key).reply();
    await settle();
  };

  test.each([
    [5, 1_000],
    [240, 1_000],
    [300, 1_200],
    [600, 2_400],
    [990, 3_960],
  ])('answers after %i ms make a call unresponsive after %i ms', async (tookMs, afterMs) => {
    await answerAfter(tookMs);
    expect(pool.unresponsiveAfterMs).toBe(afterMs);
    const { result } = begin(statistics('a', { waitsFor: { domain: domain(1), cause: 'monitor' } }));
    await clock.advance(afterMs - 1);
    expect(await isSettled(result)).toBe(false);
    await clock.advance(26);
    expect(await result).toEqual({ status: 'unresponsive' });
  });

  test('a call is never waited for longer than four seconds', async () => {
    await answerAfter(990);
    await answerAfter(3_000);
    expect(pool.unresponsiveAfterMs).toBe(4_000);
  });

  test('one that waited for a hung QEMU says nothing about the host', async () => {
    await answerAfter(30_000);
    expect(pool.unresponsiveAfterMs).toBe(1_000);
  });

  test('calls of milliseconds bring the time back', async () => {
    await answerAfter(990);
    for (let index = 0; index < 70; index++) await answerAfter(1, `quick ${index}`);
    expect(pool.unresponsiveAfterMs).toBeLessThan(2_000);
    for (let index = 0; index < 70; index++) await answerAfter(1, `quick ${index}`);
    expect(pool.unresponsiveAfterMs).toBe(1_000);
  });
});

describe('a connection that is lost', () => {
  test('ends its calls: their keys are free, their workers are counted for 45 s', async () => {
    const keys = ['a', 'b', 'c'];
    const calls = keys.map((key) => begin(statistics(key)));
    await settle();
    connections.opened[0]?.end();
    for (const { result, answer } of calls) {
      await expect(result).rejects.toMatchObject({ code: 'ERR_LIBVIRT_CLOSED' });
      await expect(answer).rejects.toMatchObject({ code: 'ERR_LIBVIRT_CLOSED' });
    }
    expect(budget.held).toBe(3);
    await clock.advance(2_000);
    begin(statistics('a'));
    await settle();
    expect(sent()).toEqual([...keys, 'a']);
    expect(budget.held).toBe(4);
    await clock.advance(ORPHAN_MS);
    expect(budget.held).toBe(1);
  });

  test('keeps no slot', async () => {
    for (const key of ['a', 'b', 'c', 'd']) begin(statistics(key));
    await settle();
    connections.opened[0]?.end();
    await clock.advance(2_000);
    for (const key of ['e', 'f', 'g', 'h']) begin(statistics(key));
    await settle();
    expect(sent()).toHaveLength(8);
  });

  test('takes the statistics calls that are unresponsive with it, without making the daemon free', async () => {
    for (let index = 0; index < 15; index++) begin(statistics(`hung ${index}`));
    await clock.advance(8 * STALLED_MS);
    expect(budget.held).toBe(15);
    for (const connection of connections.opened) connection.end();
    await clock.advance(2_000);
    expect(budget.held).toBe(15);
    const { result } = begin(statistics('another'));
    await expect(result).rejects.toMatchObject({ code: 'ERR_LIBVIRT_UNRESPONSIVE' });
    budget.forgetOrphans();
    begin(statistics('another'));
    await settle();
    expect(sent()).toContain('another');
  });

  test('and that could not be opened costs no worker', async () => {
    connections.isRefusing = true;
    const { result } = begin(statistics('a'));
    await expect(result).rejects.toMatchObject({ code: 'ERR_LIBVIRT_CONNECT' });
    expect(budget.held).toBe(0);
  });
});

describe('calls of other uses', () => {
  const other = (key: string, use: 'listing' | 'configuration') => statistics(key, { use });

  test('do not wait behind statistics', async () => {
    for (let index = 0; index < 40; index++) begin(statistics(`domain ${index}`));
    await settle();
    const listing = begin(other('listing', 'listing'));
    begin(other('xml', 'configuration'));
    await settle();
    expect(sent().slice(4)).toEqual(['listing', 'xml']);
    callOf('listing').reply('domains');
    expect(await listing.result).toEqual({ status: 'answered', value: 'domains' });
  });

  test('are sent while statistics hold all the workers that they may', async () => {
    for (let index = 0; index < 30; index++) begin(statistics(`hung ${index}`)).result.catch(() => undefined);
    await clock.advance(8 * STALLED_MS);
    expect(budget.held).toBe(15);
    begin(other('listing', 'listing'));
    begin(other('xml', 'configuration'));
    await settle();
    expect(sent().slice(15)).toEqual(['listing', 'xml']);
    expect(budget.held).toBe(17);
  });

  test('that wait make no domain unresponsive that they do not name', async () => {
    begin(other('listing', 'listing'));
    await clock.advance(60_000);
    expect(unresponsive.size).toBe(0);
  });
});

describe('high-priority calls', () => {
  const high = (key: string) => statistics(key, { procedure: procedure('high') });

  test('take no worker of the budget', async () => {
    for (let index = 0; index < 3; index++) begin(high(`high ${index}`));
    await settle();
    expect(sent()).toHaveLength(3);
    expect(budget.held).toBe(0);
  });

  test('are sent while the budget has no worker left', async () => {
    for (let index = 0; index < 15; index++) begin(statistics(`hung ${index}`));
    await clock.advance(8 * STALLED_MS);
    const { result } = begin(high('high'));
    await settle();
    callOf('high').reply('value');
    expect(await result).toMatchObject({ status: 'answered' });
  });

  test('are refused while too many of them have no answer, and sent when one has', async () => {
    const results = Array.from({ length: 20 }, (_, index) => begin(high(`high ${index}`)).result);
    const refused = Promise.allSettled(results.slice(4));
    await clock.advance(8 * STALLED_MS);
    expect(sent()).toHaveLength(4);
    expect(await refused).toHaveLength(16);
    for (const { status } of await refused) expect(status).toBe('rejected');
    callOf('high 0').reply();
    await settle();
    begin(high('another'));
    await settle();
    expect(sent()).toHaveLength(5);
  });

  test('that are lost with their connection are counted no longer', async () => {
    for (let index = 0; index < 7; index++) begin(high(`high ${index}`)).result.catch(() => undefined);
    await clock.advance(4 * STALLED_MS);
    for (const connection of connections.opened) connection.end();
    await clock.advance(2_000);
    begin(high('another'));
    await settle();
    expect(sent()).toContain('another');
  });
});

test('calls that are begun at once share connections, and none is sent beyond the room of one', async () => {
  for (const use of ['listing', 'configuration', 'statistics'] as const)
    for (let index = 0; index < 4; index++) begin(statistics(`${use} ${index}`, { use }));
  await settle();
  await clock.advance(10);
  // Four listings, four XML calls and four of statistics.
  expect(sent()).toHaveLength(12);
  expect(connections.opened).toHaveLength(3);
  expect(connections.beyondRoom()).toBe(0);
});

test('a pool that was stopped sends nothing more', async () => {
  const { result } = begin(statistics('a'));
  await settle();
  await pool.stop();
  await expect(result).rejects.toMatchObject({ code: 'ERR_LIBVIRT_CLOSED' });
  await expect(begin(statistics('b')).result).rejects.toMatchObject({ code: 'ERR_LIBVIRT_CLOSED' });
  expect(connections.opened).toHaveLength(1);
});
