import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { PoolConnections } from '../../../src/daemon/pool-connections.ts';
import { nothing, remote } from '../../../src/libvirt/procedures/procedure.ts';
import { type FakeClock, fakeClock, settle } from '../../support/fake-clock.ts';
import {
  type FakeCall,
  type FakePoolConnections,
  fakePoolConnections,
} from '../../support/fake-pool-connection.ts';

const CALL = remote<string, unknown>('FAKE', 1, 'low', nothing, nothing);

let clock: FakeClock;
let fake: FakePoolConnections;
let connections: PoolConnections;

function setUp(onCall?: (call: FakeCall) => void): void {
  clock = fakeClock();
  fake = fakePoolConnections(onCall);
  connections = new PoolConnections(fake.open, clock);
}

beforeEach(() => setUp());
afterEach(() => connections.stop());

/** Sends a call; a rejection is the test's to see, and no unhandled one. */
function send(name: string, onSent: () => void = () => undefined): Promise<unknown> {
  const answer = connections.send((connection) => connection.send(CALL, name), onSent);
  answer.catch(() => undefined);
  return answer;
}

const open = (): number => fake.opened.filter(({ isOpen }) => isOpen).length;

/** Sends this many calls at once. */
async function begin(count: number): Promise<void> {
  for (let call = 0; call < count; call++) void send(`call ${call}`);
  for (let turn = 0; turn < 4; turn++) await settle();
}

describe('connections are opened as calls need them', () => {
  test.each([
    [1, 1],
    [4, 1],
    [5, 2],
    [10, 3],
  ])('%i calls that begin at once use %i', async (calls, wanted) => {
    await begin(calls);
    expect(fake.calls).toHaveLength(calls);
    expect(fake.opened).toHaveLength(wanted);
    expect(fake.beyondRoom()).toBe(0);
  });

  test('none before the first call, and no more than one at a time', async () => {
    expect(fake.attempts()).toBe(0);
    fake.isRefusing = true;
    for (let call = 0; call < 10; call++) void send(`call ${call}`);
    await settle();
    expect(fake.attempts()).toBe(1);
  });

  test('one with room is used again', async () => {
    setUp((call) => call.reply());
    for (let call = 0; call < 20; call++) await send(`call ${call}`);
    expect(fake.opened).toHaveLength(1);
  });

  test('the sender is notified once its call is sent, not before', async () => {
    let isSent = false;
    void send('call', () => {
      isSent = true;
    });
    expect(isSent).toBe(false);
    await settle();
    expect(fake.calls).toHaveLength(1);
    expect(isSent).toBe(true);
  });
});

describe('a connection without calls', () => {
  /** Five calls over two connections, of which the second one's is answered. */
  const fiveCalls = async (): Promise<void> => {
    await begin(5);
    for (const call of fake.unanswered()) call.reply();
    await settle();
  };

  test('is kept for half a minute, then closed, while another has room', async () => {
    await fiveCalls();
    await clock.advance(29_999);
    expect(open()).toBe(2);
    await clock.advance(1);
    expect(open()).toBe(1);
    await clock.advance(3_600_000);
    expect(open()).toBe(1);
  });

  test('is kept when it is used meanwhile', async () => {
    await fiveCalls();
    await clock.advance(20_000);
    await begin(8);
    for (const call of fake.unanswered()) call.reply();
    await settle();
    await clock.advance(20_000);
    expect(open()).toBe(2);
    await clock.advance(10_000);
    expect(open()).toBe(1);
  });

  test('is kept while no other has room', async () => {
    await begin(5);
    for (const call of fake.opened[1]?.unanswered ?? []) call.reply();
    await settle();
    await clock.advance(60_000);
    expect(open()).toBe(2);
    // The first connection's calls hang: this one serves all others.
    void send('another');
    await settle();
    expect(fake.opened).toHaveLength(2);
  });
});

describe('a connection that libvirtd closes', () => {
  test('rejects the calls that it carries, and the next call opens another', async () => {
    setUp((call) => call.args === 'first' && call.reply());
    await send('first');
    const lost = send('second');
    await clock.advance(5_000);
    fake.opened[0]?.end();
    await expect(lost).rejects.toMatchObject({ code: 'ERR_LIBVIRT_CLOSED' });
    await send('first');
    expect(fake.opened).toHaveLength(2);
  });

  /** Connection attempts in the second and the minute after the first one, with a call every 100 ms. */
  async function attemptsWithin(ms: number): Promise<number> {
    for (let passed = 0; passed < ms; passed += 100) {
      void send('call');
      await settle();
      await clock.advance(100);
    }
    return fake.attempts();
  }

  test.each([
    ['each, without an answer', (call: FakeCall) => call.connection.end()],
    ['each, having answered one call', answerAndEnd],
  ])('%s, is tried again with growing pauses', async (_, onCall) => {
    setUp(onCall);
    expect(await attemptsWithin(1_000)).toBeLessThanOrEqual(5);
    expect(await attemptsWithin(60_000)).toBeLessThanOrEqual(16);
  });

  test('before it carries a call, is tried again with growing pauses', async () => {
    clock = fakeClock();
    fake = fakePoolConnections(undefined, (connection) => connection.end());
    connections = new PoolConnections(fake.open, clock);
    const first = send('call');
    await clock.advance(2_000);
    await expect(first).rejects.toMatchObject({ code: expect.stringMatching(/CLOSED|CONNECT/) });
    expect(await attemptsWithin(60_000)).toBeLessThanOrEqual(18);
    expect(fake.calls).toEqual([]);
  });

  test('as one that cannot be opened, which is tried again with growing pauses', async () => {
    fake.isRefusing = true;
    await expect(send('call')).rejects.toMatchObject({ code: 'ERR_LIBVIRT_CONNECT' });
    expect(await attemptsWithin(60_000)).toBeLessThanOrEqual(16);
  });

  test('is opened again at once by a libvirtd that is well, however many calls hung', async () => {
    await begin(10);
    await clock.advance(60_000);
    for (const connection of fake.opened) connection.end();
    await settle();
    const answer = send('after the restart');
    await settle();
    fake.unanswered()[0]?.reply('value');
    expect(await answer).toBe('value');
  });

  test('is opened with the shortest pause again once a connection has lasted', async () => {
    setUp((call) => call.connection.end());
    await attemptsWithin(60_000);
    const before = fake.attempts();
    setUp((call) => call.reply());
    expect(before).toBeGreaterThan(5);
    await send('call');
    await clock.advance(20_000);
    fake.opened[0]?.end();
    await send('call');
    expect(fake.opened).toHaveLength(2);
  });
});

describe('once stopped', () => {
  test('connections are closed and calls rejected', async () => {
    await begin(5);
    const lost = [...fake.unanswered()];
    await connections.stop();
    expect(lost).toHaveLength(5);
    expect(open()).toBe(0);
    await expect(send('call')).rejects.toMatchObject({ code: 'ERR_LIBVIRT_CLOSED' });
    expect(fake.opened).toHaveLength(2);
  });

  test('a connection that is being opened is closed again', async () => {
    const answer = send('call');
    await connections.stop();
    await expect(answer).rejects.toMatchObject({ code: 'ERR_LIBVIRT_CLOSED' });
    expect(fake.opened).toHaveLength(1);
    expect(open()).toBe(0);
  });

  test('no timer is left', async () => {
    setUp((call) => call.reply());
    await send('call');
    await connections.stop();
    expect(clock.timers()).toBe(0);
  });
});

function answerAndEnd(call: FakeCall): void {
  call.reply();
  // Its answer arrives before its end does.
  setImmediate(() => call.connection.end());
}
