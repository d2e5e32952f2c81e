import { describe, expect, test } from '@jest/globals';
import { pino } from 'pino';
import type { GuestTarget, GuestView } from '../../../src/guest/guest-state.ts';
import { GuestProber } from '../../../src/guest/prober.ts';
import { LibvirtServerError } from '../../../src/libvirt/errors.ts';
import { type FakeAgent, fakeAgent } from '../../support/fake-agent.ts';
import { fakeUuid } from '../../support/fake-hypervisor.ts';

const INTERVAL_MS = 30_000;
const TICK_MS = 500;
const UUID = fakeUuid(1);

const silent = () => new LibvirtServerError(86, 10, 'Guest agent is not responding');

/** One guest, a clock that only the test moves, and the times at which probes started. */
function setUp(agent: Pick<FakeAgent, 'send'> = fakeAgent()) {
  let now = 0;
  let target: GuestTarget = {
    uuid: UUID,
    name: 'vm-1',
    id: 1,
    agentChannel: 'connected',
    optedOut: false,
    unresponsive: false,
    cpuShare: undefined,
  };
  const started: number[] = [];
  const prober = new GuestProber({
    intervalMs: INTERVAL_MS,
    concurrency: 4,
    commandTimeoutMs: 5_000,
    filesystems: false,
    targets: () => [target],
    isRefused: () => false,
    log: pino({ level: 'silent' }),
    now: () => now,
    random: () => 0.5,
    send: () => {
      started.push(now);
      return agent.send;
    },
  });
  /** All microtasks of the running probes, and the next look at the free slots. */
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return {
    started,
    settle,
    view: (): GuestView | undefined => prober.view(UUID),
    change: (changes: Partial<GuestTarget>): void => {
      target = { ...target, ...changes };
    },
    pass: async (milliseconds: number): Promise<void> => {
      for (const end = now + milliseconds; now < end; now += TICK_MS) {
        prober.tick();
        await settle();
      }
    },
  };
}

describe('a guest whose QEMU does not respond', () => {
  test('is not probed, and that is no error', async () => {
    const { started, change, pass, view } = setUp();
    change({ unresponsive: true });
    await pass(10 * INTERVAL_MS);
    expect(started).toEqual([]);
    expect(view()).toMatchObject({ agentUp: undefined, sample: undefined, lastProbe: undefined });
    expect(new Set(view()?.missing.values())).toEqual(new Set(['busy']));
    expect(view()?.errors.size).toBe(0);
  });

  test('keeps its last sample until that is stale, and stays up', async () => {
    const { started, change, pass, view } = setUp();
    await pass(TICK_MS);
    const before = view();
    expect(before).toMatchObject({ agentUp: true, sample: { agentVersion: '7.2.22' } });
    change({ unresponsive: true });
    await pass(3 * INTERVAL_MS - TICK_MS);
    expect(view()).toEqual(before);
    await pass(2 * TICK_MS);
    expect(view()).toMatchObject({ agentUp: true, sample: undefined, lastProbe: before?.lastProbe });
    expect(new Set(view()?.missing.values())).toEqual(new Set(['busy']));
    expect(view()?.errors.size).toBe(0);
    expect(started).toHaveLength(1);
  });

  test('stays down if its agent did not answer before', async () => {
    const { change, pass, view } = setUp({ send: () => Promise.reject(silent()) });
    await pass(TICK_MS);
    expect(view()?.missing.get('cpu')).toBe('agent_silent');
    change({ unresponsive: true });
    await pass(2 * INTERVAL_MS);
    expect(view()).toMatchObject({ agentUp: false, sample: undefined });
    expect(view()?.missing.get('cpu')).toBe('busy');
    expect(view()?.errors).toEqual(new Map([['agent_silent', 1]]));
  });

  test('is probed again soon after QEMU responds', async () => {
    const { started, change, pass, view } = setUp();
    await pass(TICK_MS);
    change({ unresponsive: true });
    await pass(10 * INTERVAL_MS);
    change({ unresponsive: false });
    await pass(TICK_MS);
    expect(started).toEqual([0, TICK_MS + 10 * INTERVAL_MS]);
    expect(view()).toMatchObject({ agentUp: true, sample: { agentVersion: '7.2.22' } });
    expect(view()?.missing.size).toBe(0);
  });

  test('again and again is probed twice in an interval at most', async () => {
    const { started, change, pass } = setUp();
    for (let round = 0; round < 150; round++) {
      change({ unresponsive: round % 2 === 0 });
      await pass(2_000);
    }
    expect(started.length).toBeGreaterThanOrEqual(9);
    expect(started.length).toBeLessThanOrEqual(20);
  });

  test('and then disconnects its agent does not get back what was known before', async () => {
    const { change, pass, view } = setUp();
    await pass(TICK_MS);
    change({ unresponsive: true });
    await pass(TICK_MS);
    change({ agentChannel: 'disconnected' });
    await pass(TICK_MS);
    expect(view()).toMatchObject({ agentUp: false, sample: undefined });
    change({ agentChannel: 'connected' });
    await pass(TICK_MS);
    expect(view()).toMatchObject({ agentUp: undefined, sample: undefined });
    expect(view()?.missing.get('cpu')).toBe('busy');
  });

  test.each([
    ['opted_out', { optedOut: true }],
    ['no_channel', { agentChannel: undefined }],
    ['agent_disconnected', { agentChannel: 'disconnected' }],
  ] as const)('has the reason that lasts: %s', async (reason, changes) => {
    const { change, pass, view } = setUp();
    change({ unresponsive: true, ...changes });
    await pass(TICK_MS);
    expect(view()?.missing.get('cpu')).toBe(reason);
  });
});

describe('a probe during which QEMU stops responding says nothing of the agent', () => {
  test.each([
    ['guest-info', 'the first command'],
    ['guest-get-load', 'a later command'],
  ])('%s, %s, is not answered', async (command) => {
    let hangs = false;
    let fail: (() => void) | undefined;
    const well = fakeAgent();
    const { started, change, pass, settle, view } = setUp({
      send: async (text) => {
        if (hangs && text.includes(command))
          await new Promise((_, reject) => (fail = () => reject(silent())));
        return well.send(text);
      },
    });
    await pass(TICK_MS);
    const before = view();
    expect(before?.agentUp).toBe(true);
    change({ unresponsive: true });
    await pass(TICK_MS);
    hangs = true;
    // After that time the next probe sends guest-info too.
    change({ unresponsive: false });
    await pass(2 * INTERVAL_MS);
    expect(fail).toBeDefined();
    change({ unresponsive: true });
    await pass(TICK_MS);
    fail?.();
    await settle();
    expect(view()).toEqual(before);
    expect(view()?.errors.size).toBe(0);
    hangs = false;
    change({ unresponsive: false });
    const probes = started.length;
    await pass(INTERVAL_MS);
    expect(started.length).toBeGreaterThan(probes);
    expect(view()).toMatchObject({ agentUp: true, sample: { agentVersion: '7.2.22' } });
  });
});
