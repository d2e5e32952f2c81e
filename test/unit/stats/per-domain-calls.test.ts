import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { XdrWriter } from '../../../src/libvirt/xdr.ts';
import type { PendingCalls } from '../../../src/stats/pending-calls.ts';
import { PerDomainCalls, Tally } from '../../../src/stats/per-domain-calls.ts';
import { waitFor } from '../../../testbed/wait.ts';
import { fakeUuid } from '../../support/fake-hypervisor.ts';
import {
  afterHandshake,
  type FakeLibvirtd,
  type IncomingCall,
  startFakeLibvirtd,
} from '../../support/fake-libvirtd.ts';
import { callsTo } from './calls-to.ts';

const RUN = { uuid: fakeUuid(1), name: 'vm', id: 1 };
const SHORT_MS = 40;
const AMPLE_MS = 5_000;
const NO_ANSWER = { error: expect.objectContaining({ message: 'vm: no answer within 1000 ms' }) };

let daemon: FakeLibvirtd;
let pending: PendingCalls;
let calls: PerDomainCalls;
let isHanging: boolean;
let received: IncomingCall[];

/** GET_CONTROL_INFO of a domain that nothing is at work on. */
const answer = (call: IncomingCall): unknown =>
  call.reply(new XdrWriter().uint(0).uint(0).fixedOpaque(Buffer.alloc(8)).finish());

const ask = (timeoutMs: number) =>
  calls.ask(RUN, performance.now() + timeoutMs, (client) => client.isMonitorOccupied(RUN));

function revive(): void {
  isHanging = false;
  for (const call of received) answer(call);
}

beforeEach(async () => {
  isHanging = false;
  received = [];
  daemon = await startFakeLibvirtd(
    afterHandshake((call) => {
      received.push(call);
      if (!isHanging) answer(call);
    }),
  );
  pending = callsTo(daemon);
  calls = new PerDomainCalls({ calls: pending, needsQemu: false });
  // Connecting would take of the short times.
  expect(await ask(AMPLE_MS)).toEqual({ value: false });
  isHanging = true;
  received = [];
});

afterEach(async () => {
  await pending.stop();
  await daemon.stop();
});

test('what there was no time for is no failure', async () => {
  const tally = new Tally();
  tally.add(await ask(SHORT_MS));
  tally.add(await ask(0));
  expect(tally.failure).toBeUndefined();
});

test('who has more time waits for the answer that a short scrape left behind, and asks then', async () => {
  await ask(SHORT_MS);
  const patient = ask(AMPLE_MS);
  expect(await ask(SHORT_MS)).toBeUndefined();
  expect(received).toHaveLength(1);
  revive();
  expect(await patient).toEqual({ value: false });
  expect(received).toHaveLength(2);
});

test('a domain that did not answer for a second hangs, whoever asks, until it answers', async () => {
  await ask(SHORT_MS);
  expect(await ask(AMPLE_MS)).toEqual(NO_ANSWER);
  expect(await ask(SHORT_MS)).toEqual(NO_ANSWER);
  expect(received).toHaveLength(1);
  revive();
  const answered = async () => {
    const told = await ask(AMPLE_MS);
    return typeof told === 'object' && 'value' in told ? told : undefined;
  };
  expect(await waitFor(answered, { what: 'an answer', timeoutMs: AMPLE_MS, everyMs: 1 })).toEqual({
    value: false,
  });
});
