import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { pino } from 'pino';
import type { GuestTarget } from '../../../src/guest/guest-state.ts';
import { GuestProber } from '../../../src/guest/prober.ts';
import { LibvirtServerError, LibvirtTransportError } from '../../../src/libvirt/errors.ts';
import { type DomainEvent, Lifecycle } from '../../../src/libvirt/events.ts';
import { commandFailure, type FakeAgent, fakeAgent } from '../../support/fake-agent.ts';
import { fakeUuid } from '../../support/fake-hypervisor.ts';

const INTERVAL_MS = 30_000;
/** libvirt finds out that an agent is silent in this time, whatever timeout is set. */
const SYNC_MS = 5_000;

const silent = () => new LibvirtServerError(86, 10, 'Guest agent is not responding');

beforeEach(() => {
  jest.useFakeTimers();
});

afterEach(() => {
  jest.useRealTimers();
});

function target(number: number, changes: Partial<GuestTarget> = {}): GuestTarget {
  return {
    uuid: fakeUuid(number),
    name: `vm-${number}`,
    id: number,
    agentChannel: 'connected',
    optedOut: false,
    unresponsive: false,
    cpuShare: undefined,
    ...changes,
  };
}

interface Setup {
  readonly prober: GuestProber;
  /** How many probes are under way, at most and now. */
  readonly slots: { now: number; most: number };
  readonly started: Map<string, number[]>;
  readonly log: readonly Record<string, unknown>[];
}

/** A prober whose guests answer as `agents` has it; without an entry, as a well guest does. */
function setUp(
  targets: GuestTarget[],
  agents: (name: string) => FakeAgent | 'silent' = () => fakeAgent(),
  concurrency = 4,
  isRefused = () => false,
  filesystems = false,
): Setup {
  const slots = { now: 0, most: 0 };
  const started = new Map<string, number[]>();
  const log: Record<string, unknown>[] = [];
  const known = new Map<string, FakeAgent | 'silent'>();
  const prober = new GuestProber({
    intervalMs: INTERVAL_MS,
    concurrency,
    commandTimeoutMs: 5_000,
    filesystems,
    targets: () => targets,
    isRefused,
    log: pino({ base: null }, { write: (line: string) => log.push(JSON.parse(line)) }),
    send: ({ name }) => {
      const agent = known.get(name) ?? agents(name);
      known.set(name, agent);
      started.set(name, [...(started.get(name) ?? []), performance.now()]);
      return async (command) => {
        slots.now += 1;
        slots.most = Math.max(slots.most, slots.now);
        try {
          if (agent !== 'silent') return await agent.send(command);
          await new Promise((resolve) => setTimeout(resolve, SYNC_MS));
          throw silent();
        } finally {
          slots.now -= 1;
        }
      };
    },
  });
  prober.start();
  return { prober, slots, started, log };
}

function longestGap(times: readonly number[] = []): number {
  return Math.max(...times.slice(1).map((time, index) => time - (times[index] ?? 0)));
}

const pass = (milliseconds: number): Promise<void> => jest.advanceTimersByTimeAsync(milliseconds);

test('each guest is probed about once an interval, never two probes of one guest at a time', async () => {
  const { prober, started, slots } = setUp([target(1), target(2)]);
  await pass(10 * INTERVAL_MS);
  void prober.stop();
  for (const times of started.values()) {
    expect(times.length).toBeGreaterThanOrEqual(9);
    expect(times.length).toBeLessThanOrEqual(12);
    for (const [index, time] of times.slice(1).entries()) {
      expect(time - (times[index] ?? 0)).toBeGreaterThanOrEqual(0.9 * INTERVAL_MS);
      expect(time - (times[index] ?? 0)).toBeLessThanOrEqual(1.1 * INTERVAL_MS + 500);
    }
  }
  expect(slots.most).toBeLessThanOrEqual(2);
});

test('a hundred silent guests never keep one that answered waiting for more than an interval', async () => {
  const targets = [target(0)];
  const { prober, started, slots } = setUp(targets, (name) => (name === 'vm-0' ? fakeAgent() : 'silent'));
  await pass(1_000);
  targets.push(...Array.from({ length: 100 }, (_, index) => target(index + 1)));
  await pass(20 * INTERVAL_MS);
  void prober.stop();
  expect(longestGap(started.get('vm-0'))).toBeLessThanOrEqual(1.1 * INTERVAL_MS + 1_000);
  expect(slots.most).toBeLessThanOrEqual(4);
  expect(started.size).toBe(101);
});

describe('many guests', () => {
  const slow = (milliseconds: number): FakeAgent => {
    const agent = fakeAgent();
    return {
      ...agent,
      send: async (command) => {
        await new Promise((resolve) => setTimeout(resolve, milliseconds));
        return agent.send(command);
      },
    };
  };
  const gapsOf = (started: Map<string, number[]>, names: readonly GuestTarget[]): number[] =>
    names.map(({ name }) => longestGap(started.get(name)));

  test('more than can begin at one look at the list each have their probe in an interval', async () => {
    const targets = Array.from({ length: 400 }, (_, index) => target(index));
    const { prober, started } = setUp(targets);
    await pass(10 * INTERVAL_MS);
    void prober.stop();
    expect(started.size).toBe(400);
    expect(Math.max(...gapsOf(started, targets))).toBeLessThanOrEqual(1.1 * INTERVAL_MS + 500);
  });

  test('more than there is time for all have their turn, and about as often', async () => {
    const targets = Array.from({ length: 60 }, (_, index) => target(index));
    // Each probe takes more than a second, and there is one slot.
    const { prober, started } = setUp(targets, () => slow(50), 1);
    await pass(20 * INTERVAL_MS);
    void prober.stop();
    expect(started.size).toBe(60);
    expect(Math.max(...gapsOf(started, targets))).toBeLessThanOrEqual(4 * INTERVAL_MS);
  });

  test.each([2, 5])(
    'a hundred that are silent in one of %i probes do not keep the others waiting, once they are known',
    async (period) => {
      const healthy = Array.from({ length: 20 }, (_, index) => target(index));
      const flapping = Array.from({ length: 100 }, (_, index) => target(index + 1_000));
      const onAndOff = ({ id }: GuestTarget): FakeAgent => {
        let probes = id;
        return fakeAgent({
          answers: {
            'guest-get-cpustats': async () => {
              probes += 1;
              if (probes % period !== 0) return [];
              await new Promise((resolve) => setTimeout(resolve, SYNC_MS));
              return silent();
            },
          },
        });
      };
      const agents = new Map(flapping.map((each) => [each.name, onAndOff(each)]));
      const { prober, started } = setUp([...healthy, ...flapping], (name) => agents.get(name) ?? fakeAgent());
      await pass(20 * INTERVAL_MS);
      for (const times of started.values()) times.length = 0;
      await pass(20 * INTERVAL_MS);
      void prober.stop();
      expect(Math.max(...gapsOf(started, healthy))).toBeLessThanOrEqual(1.1 * INTERVAL_MS + 1_000);
      expect(Math.min(...flapping.map(({ name }) => started.get(name)?.length ?? 0))).toBeGreaterThan(0);
    },
  );

  test.each([2, 4])(
    'with %i slots, those that answer are fresh among a hundred that are silent',
    async (concurrency) => {
      const healthy = Array.from({ length: 40 }, (_, index) => target(index));
      const targets = [...healthy];
      const { prober, started } = setUp(
        targets,
        (name) => (healthy.some((each) => each.name === name) ? slow(5) : 'silent'),
        concurrency,
      );
      await pass(INTERVAL_MS);
      targets.push(...Array.from({ length: 100 }, (_, index) => target(index + 1_000)));
      await pass(40 * INTERVAL_MS);
      void prober.stop();
      expect(started.size).toBe(140);
      expect(Math.max(...gapsOf(started, healthy))).toBeLessThanOrEqual(1.1 * INTERVAL_MS + 5_000);
    },
  );

  test('with one slot, a guest that answers does not wait for a hundred that are silent', async () => {
    const targets = [target(0)];
    const { prober, started } = setUp(targets, (name) => (name === 'vm-0' ? slow(5) : 'silent'), 1);
    await pass(1_000);
    targets.push(...Array.from({ length: 100 }, (_, index) => target(index + 1)));
    await pass(60 * INTERVAL_MS);
    void prober.stop();
    expect(started.size).toBe(101);
    expect(longestGap(started.get('vm-0'))).toBeLessThanOrEqual((1.1 + 1) * INTERVAL_MS);
  });
});

test.each([0, 2_000])(
  'after a start, guests that use CPU time are probed before a hundred that have halted and appeared %i ms earlier',
  async (milliseconds) => {
    const targets = Array.from({ length: 100 }, (_, index) => target(index + 1, { cpuShare: 0.001 }));
    const { prober, started } = setUp(targets, (name) => (name === 'vm-0' ? fakeAgent() : 'silent'));
    await pass(milliseconds);
    targets.push(target(0, { cpuShare: 0.02 }));
    await pass(SYNC_MS + 1_000);
    void prober.stop();
    expect(started.get('vm-0')).toBeDefined();
    expect(prober.view(fakeUuid(0))?.agentUp).toBe(true);
  },
);

test('a silent guest is probed less and less often, and at once when something happens to it', async () => {
  const { prober, started } = setUp([target(1)], () => 'silent');
  await pass(3_600_000);
  const times = started.get('vm-1') ?? [];
  const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0));
  expect(gaps[1]).toBeGreaterThan(1.5 * (gaps[0] ?? 0));
  expect(Math.max(...gaps)).toBeGreaterThan(9 * 60_000);
  expect(Math.max(...gaps)).toBeLessThan(12 * 60_000);
  expect(prober.view(fakeUuid(1))).toMatchObject({ agentUp: false, sample: undefined });
  const before = times.length;
  prober.requestProbe(fakeUuid(1));
  await pass(1_000);
  expect(started.get('vm-1')).toHaveLength(before + 1);
  void prober.stop();
});

describe('a guest that must not be probed is sent nothing', () => {
  test.each<[string, Partial<GuestTarget>, boolean, string, boolean | undefined]>([
    ['opted out', { optedOut: true }, false, 'opted_out', undefined],
    ['without a channel', { agentChannel: undefined }, false, 'no_channel', undefined],
    ['with nobody at the channel', { agentChannel: 'disconnected' }, false, 'agent_disconnected', false],
    ['without a way in', {}, true, 'read_only', false],
  ])('%s', async (_name, changes, refused, reason, agentUp) => {
    const { prober, started } = setUp([target(1, changes)], undefined, 4, () => refused);
    await pass(3 * INTERVAL_MS);
    void prober.stop();
    expect(started.size).toBe(0);
    const view = prober.view(fakeUuid(1));
    expect(view?.agentUp).toBe(agentUp);
    expect(new Set(view?.missing.values())).toEqual(new Set([reason]));
  });
});

test('an agent that connects is probed at once', async () => {
  const targets = [target(1, { agentChannel: 'disconnected' })];
  const { prober, started } = setUp(targets);
  await pass(INTERVAL_MS);
  targets[0] = target(1);
  await pass(1_000);
  void prober.stop();
  expect(started.get('vm-1')).toHaveLength(1);
  expect(prober.view(fakeUuid(1))?.agentUp).toBe(true);
});

describe('an agent whose channel opens', () => {
  /** As libvirt reports it: first an event, then, in the XML that is fetched again, the channel's state. */
  async function report(
    prober: GuestProber,
    targets: GuestTarget[],
    agentChannel: 'connected' | 'disconnected',
  ) {
    prober.requestProbe(fakeUuid(1));
    await pass(20);
    targets[0] = target(1, { agentChannel });
  }

  test('is probed within two looks at the list', async () => {
    const targets = [target(1, { agentChannel: 'disconnected' })];
    const { prober, started } = setUp(targets);
    await pass(1_200);
    await report(prober, targets, 'connected');
    await pass(1_000);
    void prober.stop();
    expect(started.get('vm-1')).toHaveLength(1);
    expect(prober.view(fakeUuid(1))?.agentUp).toBe(true);
  });

  test.each([1_100, 1_490])(
    'after it closed a moment ago, %i ms after the start, is probed as soon',
    async (milliseconds) => {
      const targets = [target(1)];
      const { prober, started } = setUp(targets);
      await pass(milliseconds);
      await report(prober, targets, 'disconnected');
      await pass(1_500);
      expect(started.get('vm-1')).toHaveLength(1);
      expect(prober.view(fakeUuid(1))).toMatchObject({ agentUp: false });
      await report(prober, targets, 'connected');
      await pass(1_000);
      void prober.stop();
      expect(started.get('vm-1')).toHaveLength(2);
      expect(prober.view(fakeUuid(1))?.agentUp).toBe(true);
    },
  );

  test('is not called disconnected until its first probe has ended', async () => {
    const targets = [target(1, { agentChannel: 'disconnected' })];
    const { prober } = setUp(targets, () => 'silent');
    await pass(1_000);
    targets[0] = target(1);
    await pass(500);
    expect(prober.view(fakeUuid(1))).toMatchObject({ agentUp: undefined });
    expect(prober.view(fakeUuid(1))?.missing.get('cpu')).toBe('busy');
    await pass(SYNC_MS);
    void prober.stop();
    expect(prober.view(fakeUuid(1))?.missing.get('cpu')).toBe('agent_silent');
  });

  test('again and again gets one more probe in an interval, and no more', async () => {
    const targets = [target(1)];
    const { prober, started } = setUp(targets);
    for (let time = 0; time < 10 * INTERVAL_MS; time += 1_020) {
      await report(prober, targets, time % 2_040 === 0 ? 'disconnected' : 'connected');
      await pass(1_000);
    }
    void prober.stop();
    expect((started.get('vm-1') ?? []).length).toBeLessThanOrEqual(21);
  });
});

test.each<[string, () => Error, boolean]>([
  ['silent, and its channel was seen to close', silent, true],
  ['silent, and only an event reported its new agent', silent, false],
  [
    'busy, and an event reported something new',
    () => new LibvirtServerError(68, 10, 'cannot acquire'),
    false,
  ],
])(
  'a guest that failed for an hour and misses the first probe after it came back has not long to wait: %s',
  async (_name, failure, isSeen) => {
    const targets = [target(1)];
    const well = fakeAgent();
    let failing = true;
    const { prober } = setUp(targets, () => ({
      ...well,
      send: (command) => (failing ? Promise.reject(failure()) : well.send(command)),
    }));
    await pass(3_600_000);
    if (isSeen) {
      targets[0] = target(1, { agentChannel: 'disconnected' });
      await pass(3_000);
      targets[0] = target(1);
    }
    const { uuid, name, id } = target(1);
    prober.handleEvent({ kind: 'agent', domain: { uuid, name, id } });
    await pass(2_000);
    expect(prober.view(uuid)?.agentUp).toBe(false);
    failing = false;
    await pass(2 * 1.1 * INTERVAL_MS + 500);
    void prober.stop();
    expect(prober.view(uuid)?.agentUp).toBe(true);
  },
);

test('guests that are refused stay so while a way in is looked for', async () => {
  let refused = true;
  const { prober } = setUp(
    [target(1)],
    () => 'silent',
    4,
    () => refused,
  );
  await pass(1_000);
  refused = false;
  await pass(1_000);
  void prober.stop();
  expect(prober.view(fakeUuid(1))).toMatchObject({ agentUp: false });
  expect(prober.view(fakeUuid(1))?.missing.get('cpu')).toBe('read_only');
});

test('a backup at work keeps what was known, until that is too old', async () => {
  let busy = false;
  const lock = () => new LibvirtServerError(68, 10, 'cannot acquire state change lock');
  const well = fakeAgent();
  const agent: FakeAgent = {
    ...well,
    send: (command) => (busy ? Promise.reject(lock()) : well.send(command)),
  };
  const { prober } = setUp([target(1)], () => agent);
  await pass(INTERVAL_MS);
  busy = true;
  const before = prober.view(fakeUuid(1))?.lastProbe;
  expect(before).toBeDefined();
  await pass(INTERVAL_MS * 1.5);
  expect(prober.view(fakeUuid(1))).toMatchObject({ agentUp: true, sample: { agentVersion: '7.2.22' } });
  expect(prober.view(fakeUuid(1))?.errors.get('busy')).toBeGreaterThan(0);
  // What is served is as old as its probe.
  expect(prober.view(fakeUuid(1))?.lastProbe).toEqual(before);
  await pass(INTERVAL_MS * 4);
  expect(prober.view(fakeUuid(1))).toMatchObject({ agentUp: false, sample: undefined, lastProbe: before });
  expect(prober.view(fakeUuid(1))?.missing.get('cpu')).toBe('busy');
  busy = false;
  await pass(INTERVAL_MS * 1.2);
  void prober.stop();
  expect(prober.view(fakeUuid(1))).toMatchObject({ agentUp: true, sample: { agentVersion: '7.2.22' } });
});

test('an agent that is found frozen and stays so is not up', async () => {
  const agent = fakeAgent({
    answers: { 'guest-info': () => commandFailure('the agent is in frozen state') },
  });
  const { prober } = setUp([target(1)], () => agent);
  await pass(1_000);
  void prober.stop();
  expect(prober.view(fakeUuid(1))).toMatchObject({ agentUp: false, lastProbe: undefined });
  expect(prober.view(fakeUuid(1))?.missing.get('cpu')).toBe('frozen');
});

test('a paused domain keeps what it said until that is too old, and is probed again when it resumes', async () => {
  let paused = false;
  const notRunning = () =>
    new LibvirtServerError(55, 10, 'Requested operation is not valid: domain is not running');
  const well = fakeAgent();
  const agent: FakeAgent = {
    ...well,
    send: (command) => (paused ? Promise.reject(notRunning()) : well.send(command)),
  };
  const { prober } = setUp([target(1)], () => agent);
  await pass(1_000);
  paused = true;
  await pass(1.5 * INTERVAL_MS);
  expect(prober.view(fakeUuid(1))).toMatchObject({ agentUp: true, sample: { agentVersion: '7.2.22' } });
  await pass(100 * INTERVAL_MS);
  expect(prober.view(fakeUuid(1))).toMatchObject({ sample: undefined });
  expect(prober.view(fakeUuid(1))?.missing.get('cpu')).toBe('busy');
  paused = false;
  const { uuid, name, id } = target(1);
  prober.handleEvent({ kind: 'lifecycle', domain: { uuid, name, id }, event: Lifecycle.resumed, detail: 0 });
  await pass(1_000);
  void prober.stop();
  expect(prober.view(fakeUuid(1))).toMatchObject({ agentUp: true, sample: { agentVersion: '7.2.22' } });
  expect(prober.view(fakeUuid(1))?.missing.size).toBe(0);
});

test('a connection lost during a probe changes nothing', async () => {
  let lost = false;
  const well = fakeAgent();
  const closed = () => new LibvirtTransportError('ERR_LIBVIRT_CLOSED', 'closed');
  const agent: FakeAgent = {
    ...well,
    send: (command) => (lost ? Promise.reject(closed()) : well.send(command)),
  };
  const { prober } = setUp([target(1)], () => agent);
  await pass(1_000);
  const before = prober.view(fakeUuid(1));
  lost = true;
  await pass(INTERVAL_MS * 1.2);
  void prober.stop();
  expect(prober.view(fakeUuid(1))).toEqual(before);
});

test('another run of the domain starts anew, but its errors stay counted; one that is gone is forgotten', async () => {
  const targets = [target(1)];
  const { prober } = setUp(targets, () => 'silent');
  await pass(10_000);
  expect(prober.view(fakeUuid(1))?.errors.get('agent_silent')).toBe(1);
  targets[0] = target(1, { id: 2 });
  await pass(500);
  expect(prober.view(fakeUuid(1))).toMatchObject({ agentUp: undefined, lastProbe: undefined });
  expect(prober.view(fakeUuid(1))?.errors.get('agent_silent')).toBe(1);
  targets.pop();
  await pass(500);
  void prober.stop();
  expect(prober.view(fakeUuid(1))).toBeUndefined();
});

test('the probe of a run that ended is waited for before the next run is probed', async () => {
  const targets = [target(1)];
  const { prober, started, slots } = setUp(targets, () => 'silent');
  await pass(1_000);
  targets[0] = target(1, { id: 2 });
  await pass(SYNC_MS - 1_500);
  expect(started.get('vm-1')).toHaveLength(1);
  await pass(2_000);
  void prober.stop();
  expect(started.get('vm-1')).toHaveLength(2);
  expect(slots.most).toBe(1);
});

test('a counter that falls is dropped, and counted as an error', async () => {
  let user = 5_000;
  const agent = fakeAgent({
    answers: {
      'guest-get-cpustats': () => [{ type: 'linux', cpu: 0, user, nice: 0, system: 2_000, idle: 3_000 }],
    },
  });
  const { prober } = setUp([target(1)], () => agent);
  await pass(1_000);
  user = 1_000;
  await pass(INTERVAL_MS * 1.2);
  void prober.stop();
  const view = prober.view(fakeUuid(1));
  expect(view?.sample?.cpu).toMatchObject({ user: undefined, system: 2 });
  expect(view?.errors.get('counter_regressed')).toBe(1);
});

describe('a guest without a boot time that counts from zero', () => {
  const { uuid, name, id } = target(1);
  const EVENTS: Record<string, DomainEvent | undefined> = {
    'after a reboot': { kind: 'reboot', domain: { uuid, name, id } },
    'after its agent came anew': { kind: 'agent', domain: { uuid, name, id } },
    'after nothing that libvirt saw': undefined,
  };

  test.each(Object.entries(EVENTS))('%s', async (_case, event) => {
    let user = 5_000;
    const agent = fakeAgent({
      disabled: ['guest-file-open'],
      answers: {
        'guest-get-cpustats': () => [{ type: 'linux', cpu: 0, user, nice: 0, system: 2_000, idle: 3_000 }],
      },
    });
    let lost = false;
    const closed = () => new LibvirtTransportError('ERR_LIBVIRT_CLOSED', 'closed');
    const { prober } = setUp([target(1)], () => ({
      ...agent,
      send: (command) => (lost ? Promise.reject(closed()) : agent.send(command)),
    }));
    await pass(1_000);
    user = 3_000;
    if (event !== undefined) prober.handleEvent(event);
    // A probe without a sample in between does not hide the event.
    lost = true;
    await pass(INTERVAL_MS * 1.2);
    lost = false;
    await pass(INTERVAL_MS * 1.2);
    const restarted = event !== undefined;
    expect(prober.view(uuid)?.sample?.cpu?.user).toBe(restarted ? 3 : undefined);
    user = 2_000;
    await pass(INTERVAL_MS * 1.2);
    void prober.stop();
    expect(prober.view(uuid)?.sample?.cpu?.user).toBeUndefined();
  });
});

test('what happens to a guest while it is being probed brings the next probe forward', async () => {
  const { prober, started } = setUp([target(1)], () => 'silent');
  await pass(2_000);
  prober.requestProbe(fakeUuid(1));
  await pass(SYNC_MS);
  void prober.stop();
  expect(started.get('vm-1')).toHaveLength(2);
});

test('guests that draw out each answer keep no slot from those that answer at once', async () => {
  const targets = [target(0)];
  const drawnOut = (): FakeAgent => {
    const well = fakeAgent();
    return {
      ...well,
      send: async (command) => {
        await new Promise((resolve) => setTimeout(resolve, SYNC_MS - 100));
        return well.send(command);
      },
    };
  };
  const { prober, started, slots } = setUp(targets, (name) => (name === 'vm-0' ? fakeAgent() : drawnOut()));
  await pass(1_000);
  targets.push(...Array.from({ length: 20 }, (_, index) => target(index + 1)));
  await pass(60 * INTERVAL_MS);
  void prober.stop();
  expect(longestGap(started.get('vm-0'))).toBeLessThanOrEqual(1.1 * INTERVAL_MS + 1_000);
  expect(slots.most).toBe(4);
});

test('a guest that answered well and then in drips occupies its slot for the time of a probe, and no longer', async () => {
  let drips = false;
  const targets = [target(0), target(1), target(2), target(3), target(4)];
  const trickling = (): FakeAgent => {
    const well = fakeAgent({
      answers: {
        'guest-file-read': () =>
          drips
            ? new Promise((resolve) =>
                setTimeout(() => resolve({ count: 1, 'buf-b64': 'YQ==', eof: false }), SYNC_MS - 100),
              )
            : { count: 0, 'buf-b64': '', eof: true },
      },
    });
    return well;
  };
  const { prober, started } = setUp(targets, (name) => (name === 'vm-0' ? fakeAgent() : trickling()));
  await pass(1_000);
  drips = true;
  await pass(30 * INTERVAL_MS);
  void prober.stop();
  expect(longestGap(started.get('vm-0'))).toBeLessThanOrEqual(2 * INTERVAL_MS);
});

test('a probe that takes too long keeps what it had read', async () => {
  const slow = fakeAgent();
  const agent: FakeAgent = {
    ...slow,
    send: async (command) => {
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      return slow.send(command);
    },
  };
  const { prober } = setUp([target(1)], () => agent);
  await pass(INTERVAL_MS);
  void prober.stop();
  const view = prober.view(fakeUuid(1));
  expect(view?.agentUp).toBe(true);
  expect(view?.sample?.os?.id).toBe('debian');
  expect(view?.missing.get('load')).toBe('agent_silent');
  expect(view?.lastProbe?.durationSeconds).toBeLessThan(20);
  expect(slow.open.size).toBe(0);
});

test('guests whose channel flaps do not keep one that was never probed from its first probe', async () => {
  const flapping = Array.from({ length: 6 }, (_, index) => target(index + 1));
  const targets = [...flapping];
  const { prober, started } = setUp(targets, (name) => (name === 'vm-0' ? fakeAgent() : 'silent'));
  const flap = setInterval(() => {
    for (const { uuid } of flapping) prober.requestProbe(uuid);
  }, 1_000);
  await pass(2 * INTERVAL_MS);
  targets.push(target(0));
  await pass(INTERVAL_MS);
  clearInterval(flap);
  void prober.stop();
  expect(started.get('vm-0')).toBeDefined();
  expect((started.get('vm-1') ?? []).length).toBeLessThanOrEqual(4);
});

test('stopping ends the probes under way, after they closed what they opened', async () => {
  const agent = fakeAgent();
  let answer: (() => void) | undefined;
  const slow: FakeAgent = {
    ...agent,
    send: async (command) => {
      if (command.includes('guest-file-read')) await new Promise<void>((resolve) => (answer = resolve));
      return agent.send(command);
    },
  };
  const { prober } = setUp([target(1)], () => slow);
  await pass(1_000);
  expect(agent.open.size).toBe(1);
  const stopped = prober.stop();
  answer?.();
  await pass(100);
  await stopped;
  expect(agent.open.size).toBe(0);
});

test('a frozen agent that only says "disabled" is frozen, and what it said before stays', async () => {
  let frozen = false;
  const refusal = () =>
    frozen ? commandFailure('Command guest-get-cpustats has been disabled for this instance') : undefined;
  const agent = fakeAgent({
    answers: {
      'guest-get-cpustats': () =>
        refusal() ?? [{ type: 'linux', cpu: 0, user: 1000, nice: 0, system: 2000, idle: 3000 }],
      'guest-info': () => ({
        version: '2.8',
        supported_commands: ['guest-info', 'guest-fsfreeze-thaw', 'guest-get-cpustats'].map((name) => ({
          name,
          enabled: !frozen || name !== 'guest-get-cpustats',
        })),
      }),
    },
  });
  const { prober } = setUp([target(1)], () => agent);
  await pass(1_000);
  expect(prober.view(fakeUuid(1))?.sample?.cpu?.user).toBe(1);
  frozen = true;
  await pass(1.2 * INTERVAL_MS);
  void prober.stop();
  expect(prober.view(fakeUuid(1))).toMatchObject({ agentUp: true, sample: { cpu: { user: 1 } } });
  expect(prober.view(fakeUuid(1))?.errors.get('frozen')).toBe(1);
});

test('filesystems keep their first type, and the first ones stay', async () => {
  let probes = 0;
  const agent = fakeAgent({
    answers: {
      'guest-info': () => ({
        version: '9.2.0',
        supported_commands: [{ name: 'guest-get-fsinfo', enabled: true }],
      }),
      'guest-get-fsinfo': () => {
        probes += 1;
        return Array.from({ length: 40 }, (_, index) => ({
          mountpoint: index === 0 ? '/' : `/${probes}-${index}`,
          type: `ext${probes}`,
          'total-bytes': 100,
          'used-bytes': probes,
        }));
      },
    },
  });
  const { prober } = setUp(
    [target(1)],
    () => agent,
    4,
    () => false,
    true,
  );
  const seen = new Set<string>();
  for (let probe = 1; probe <= 10; probe++) {
    while (probes < probe) await pass(500);
    for (const { mountpoint, fstype } of prober.view(fakeUuid(1))?.filesystems ?? [])
      seen.add(`${mountpoint} ${fstype}`);
  }
  void prober.stop();
  expect(prober.view(fakeUuid(1))?.filesystems).toEqual([
    { mountpoint: '/', fstype: 'ext1', totalBytes: 100, usedBytes: 10 },
  ]);
  expect(seen.size).toBe(64);
});

test('an agent that always falls silent midway is up, probed half as often, and its sample is never stale', async () => {
  const agent = fakeAgent({
    answers: {
      'guest-get-load': async () => {
        await new Promise((resolve) => setTimeout(resolve, SYNC_MS));
        return silent();
      },
    },
  });
  const { prober, started } = setUp([target(1)], () => agent);
  await pass(INTERVAL_MS);
  for (let second = 0; second < 600; second++) {
    await pass(1_000);
    expect(prober.view(fakeUuid(1))).toMatchObject({ agentUp: true, sample: { cpu: { user: 1 } } });
  }
  void prober.stop();
  expect(prober.view(fakeUuid(1))?.missing).toEqual(new Map([['load', 'agent_silent']]));
  expect(prober.view(fakeUuid(1))?.errors.get('agent_silent')).toBeGreaterThan(1);
  expect((started.get('vm-1') ?? []).length).toBeLessThan(14);
});

test('Windows is not sent commands for files it does not have', async () => {
  const agent = fakeAgent({
    answers: { 'guest-get-osinfo': () => ({ id: 'mswindows', 'version-id': '2022' }) },
    absent: ['guest-get-cpustats', 'guest-get-load'],
  });
  const { prober } = setUp([target(1)], () => agent);
  await pass(1_000);
  void prober.stop();
  const view = prober.view(fakeUuid(1));
  expect(agent.received).not.toContain('guest-file-open');
  expect(view?.agentUp).toBe(true);
  for (const family of ['cpu', 'swap', 'memory', 'pressure', 'load'] as const)
    expect([family, view?.missing.get(family)]).toEqual([family, 'unsupported']);
});

test('before its first probe, all of a guest is missing', () => {
  const { prober } = setUp([target(1)], () => 'silent');
  prober.tick();
  void prober.stop();
  expect(prober.view(fakeUuid(1))?.missing.get('cpu')).toBe('busy');
});

test('a guest that says for ever that it is frozen is probed less and less often', async () => {
  const agent = fakeAgent({
    answers: { 'guest-info': () => commandFailure('the agent is in frozen state') },
  });
  const { prober, started } = setUp([target(1)], () => agent);
  await pass(200 * INTERVAL_MS);
  void prober.stop();
  expect((started.get('vm-1') ?? []).length).toBeLessThan(40);
});

test('a fault of this program is logged once, and the guest is probed less and less often', async () => {
  const agent = fakeAgent();
  const { prober, started, log } = setUp([target(1)], () => ({
    ...agent,
    send: () => Promise.reject(new TypeError('oops')),
  }));
  await pass(20 * INTERVAL_MS);
  void prober.stop();
  expect(log.filter(({ level }) => level === 50)).toHaveLength(1);
  expect((started.get('vm-1') ?? []).length).toBeLessThan(10);
});

test('a refusal of access is logged once for each domain, and again when it was lifted meanwhile', async () => {
  let denied = true;
  const well = fakeAgent();
  const denial = () => new LibvirtServerError(88, 10, "access denied: 'QEMU' denied access");
  const targets = [target(1), target(2)];
  const { prober, log } = setUp(targets, () => ({
    ...well,
    send: (command) => (denied ? Promise.reject(denial()) : well.send(command)),
  }));
  const warned = () =>
    log
      .filter(({ level }) => level === 40)
      .map(({ domain }) => domain)
      .sort();
  await pass(10 * INTERVAL_MS);
  targets[0] = target(1, { id: 7 });
  await pass(10 * INTERVAL_MS);
  expect(warned()).toEqual(['vm-1', 'vm-2']);
  expect(prober.view(fakeUuid(1))?.missing.get('cpu')).toBe('read_only');
  denied = false;
  await pass(25 * INTERVAL_MS);
  denied = true;
  await pass(2 * INTERVAL_MS);
  void prober.stop();
  expect(warned()).toEqual(['vm-1', 'vm-1', 'vm-2', 'vm-2']);
});

test('after a fault of this program, what was known is dropped once it is stale', async () => {
  let broken = false;
  const well = fakeAgent();
  const { prober } = setUp([target(1)], () => ({
    ...well,
    send: (command) => (broken ? Promise.reject(new TypeError('oops')) : well.send(command)),
  }));
  await pass(1_000);
  broken = true;
  await pass(2 * INTERVAL_MS);
  expect(prober.view(fakeUuid(1))).toMatchObject({ agentUp: true, sample: { agentVersion: '7.2.22' } });
  await pass(2 * INTERVAL_MS);
  void prober.stop();
  expect(prober.view(fakeUuid(1))).toMatchObject({ agentUp: false, sample: undefined });
  expect(prober.view(fakeUuid(1))?.missing.get('cpu')).toBe('busy');
});

test('what seldom changes is fetched with every tenth probe, and after an event', async () => {
  const agent = fakeAgent();
  const { prober, started } = setUp([target(1)], () => agent);
  const fetched = () => agent.received.filter((name) => name === 'guest-get-osinfo').length;
  while ((started.get('vm-1') ?? []).length < 10) await pass(500);
  expect(fetched()).toBe(1);
  await pass(1.2 * INTERVAL_MS);
  expect(fetched()).toBe(2);
  prober.requestProbe(fakeUuid(1));
  await pass(500);
  void prober.stop();
  expect(fetched()).toBe(3);
});

test.each([1, 2, 5])('with %i slots there are never more probes than that', async (concurrency) => {
  const targets = Array.from({ length: 30 }, (_, index) => target(index));
  const { prober, slots } = setUp(
    targets,
    (name) => (name.endsWith('3') ? 'silent' : fakeAgent()),
    concurrency,
  );
  await pass(10 * INTERVAL_MS);
  void prober.stop();
  expect(slots.most).toBeLessThanOrEqual(concurrency);
});
