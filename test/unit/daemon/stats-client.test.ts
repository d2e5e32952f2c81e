import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { StatsClient, StatsGroup } from '../../../src/daemon/stats-client.ts';
import { fakeUuid } from '../../support/fake-hypervisor.ts';
import { type FakeLibvirtd, startFakeLibvirtd, targetOf } from '../../support/fake-libvirtd.ts';
import { type FakeStats, fakeStats, type MeasuredFake } from '../../support/fake-stats.ts';

const DAY_MS = 24 * 60 * 60_000;

const domain: MeasuredFake = { name: 'vm', uuid: fakeUuid(1), id: 1, hung: true };
let daemon: FakeLibvirtd;
let fake: FakeStats;
let client: StatsClient;

beforeEach(async () => {
  fake = fakeStats([domain]);
  daemon = await startFakeLibvirtd(fake.handler);
  client = await StatsClient.connect({
    target: targetOf(daemon.path),
    timeoutMs: 1_000,
    onClose: () => undefined,
    onCallSent: () => undefined,
  });
});

afterEach(async () => {
  jest.useRealTimers();
  await client.close();
  await daemon.stop();
});

test('a call is never given up: its answer comes after twenty days as well', async () => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask', 'performance'] });
  const settled = jest.fn();
  const answer = client.domainStats([domain], StatsGroup.block);
  answer.then(settled, settled);
  jest.advanceTimersByTime(20 * DAY_MS);
  await new Promise((resolve) => setImmediate(resolve));
  expect(settled).not.toHaveBeenCalled();
  fake.revive(domain);
  expect(await answer).toHaveLength(1);
});
