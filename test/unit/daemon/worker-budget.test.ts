import { beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  type LeaseTerms,
  WorkerBudget,
  type WorkerLease,
  type WorkerUse,
} from '../../../src/daemon/worker-budget.ts';
import { type FakeClock, fakeClock, isSettled, settle } from '../../support/fake-clock.ts';

const ORPHAN_MS = 45_000;
const USES: readonly WorkerUse[] = ['listing', 'configuration', 'agent', 'statistics'];
const proven: LeaseTerms = { use: 'statistics', hasAnsweredSince: () => true };

let clock: FakeClock;
let budget: WorkerBudget;

beforeEach(() => {
  clock = fakeClock();
  budget = new WorkerBudget(clock);
});

/** Acquires this many leases, which all must be there at once. */
async function acquire(count: number, terms: LeaseTerms): Promise<WorkerLease[]> {
  const leases = Array.from({ length: count }, () => budget.acquire(terms));
  await settle();
  for (const lease of leases) expect(await isSettled(lease)).toBe(true);
  return Promise.all(leases);
}

const waits = async (terms: LeaseTerms): Promise<boolean> => !(await isSettled(budget.acquire(terms)));

describe('how many workers a use may hold', () => {
  test.each([
    // Alone, every use is bounded by its own limit.
    ['listing', [], 6],
    ['priority', [], 4],
    ['configuration', [], 4],
    ['agent', [], 4],
    ['statistics', [], 15],
    // Statistics leave one worker to each other use, and to none more than that.
    ['listing', ['statistics'], 1],
    ['configuration', ['statistics'], 1],
    ['agent', ['statistics'], 1],
    // The others leave each other one worker of the eighteen, and statistics the rest.
    ['statistics', ['listing', 'configuration', 'agent'], 4],
    ['statistics', ['agent'], 12],
    ['statistics', ['configuration', 'agent'], 9],
    ['listing', ['configuration', 'agent'], 6],
  ] as const)('%s beside %j: %i', async (use, others, most) => {
    for (const other of others) while (await isSettled(budget.acquire({ use: other })));
    const before = budget.held;
    for (let held = 0; held < most; held++) expect(await waits({ use })).toBe(false);
    expect(await waits({ use })).toBe(true);
    // High-priority procedures take none of the ordinary workers.
    expect(budget.held).toBe(use === 'priority' ? before : before + most);
  });

  test('all of them together hold eighteen, however much each wants', async () => {
    for (const use of ['statistics', 'agent', 'configuration', 'listing'] as const)
      for (let call = 0; call < 20; call++) void budget.acquire({ use }).catch(() => undefined);
    await settle();
    expect(budget.held).toBe(18);
  });

  test('a worker that is released goes to whoever waits for one', async () => {
    const [first] = await acquire(4, { use: 'agent' });
    const next = budget.acquire({ use: 'agent' });
    expect(await isSettled(next)).toBe(false);
    first?.release();
    expect(await isSettled(next)).toBe(true);
    expect(budget.held).toBe(4);
  });

  test('a use that waits keeps no other use waiting', async () => {
    await acquire(4, { use: 'agent' });
    expect(await waits({ use: 'agent' })).toBe(true);
    expect(await waits({ use: 'statistics' })).toBe(false);
  });

  test('a lease that is released twice gives back one worker', async () => {
    const [lease] = await acquire(2, { use: 'agent' });
    lease?.release();
    lease?.release();
    lease?.orphan();
    expect(budget.held).toBe(1);
  });
});

describe('the sixteenth statistics worker', () => {
  /** Fifteen calls of round 7 without an answer. */
  const stallFifteen = async (): Promise<WorkerLease[]> => {
    const leases = await acquire(15, { use: 'statistics', round: 7 });
    for (const lease of leases) lease.giveUp();
    return leases;
  };

  test('is for a domain that has answered since the last call that hangs was sent', async () => {
    await stallFifteen();
    const answeredIn = (round: number): LeaseTerms => ({
      use: 'statistics',
      round: 8,
      hasAnsweredSince: (since) => round >= since,
    });
    await expect(budget.acquire(answeredIn(6))).rejects.toMatchObject({ code: 'ERR_LIBVIRT_UNRESPONSIVE' });
    await acquire(1, answeredIn(7));
    expect(budget.held).toBe(16);
    expect(await waits(answeredIn(7))).toBe(true);
  });

  test('is used by one domain after the other', async () => {
    await stallFifteen();
    for (let domain = 0; domain < 20; domain++) {
      const [lease] = await acquire(1, proven);
      lease?.release();
    }
    expect(budget.held).toBe(15);
  });

  test('is one that configuration or agents leave unused: with one of each at work there is none', async () => {
    await stallFifteen();
    const [configuration] = await acquire(1, { use: 'configuration' });
    const [sixteenth] = await acquire(1, proven);
    sixteenth?.release();
    await acquire(1, { use: 'agent' });
    await expect(budget.acquire(proven)).rejects.toMatchObject({ code: 'ERR_LIBVIRT_UNRESPONSIVE' });
    configuration?.release();
    await acquire(1, proven);
  });

  test('leaves one for a listing and one for an agent', async () => {
    await stallFifteen();
    await acquire(1, proven);
    await acquire(1, { use: 'listing' });
    await acquire(1, { use: 'agent' });
    expect(budget.held).toBe(18);
  });

  test('goes back when it is released', async () => {
    await stallFifteen();
    const [sixteenth] = await acquire(1, proven);
    await acquire(1, { use: 'configuration' });
    const agent = budget.acquire({ use: 'agent' });
    expect(await isSettled(agent)).toBe(false);
    sixteenth?.release();
    expect(await isSettled(agent)).toBe(true);
  });

  test('is there for a proven domain that waits when the fifteenth call turns out to hang', async () => {
    const leases = await acquire(16, { ...proven, round: 7 });
    for (const lease of leases.slice(0, 15)) lease.giveUp();
    const next = budget.acquire(proven);
    expect(await isSettled(next)).toBe(false);
    leases[15]?.release();
    expect(await isSettled(next)).toBe(true);
  });
});

describe('when all statistics workers are held', () => {
  test('by calls without an answer, the next is rejected at once, and accepted when one of them ends', async () => {
    const leases = await acquire(15, { use: 'statistics' });
    for (const lease of leases) lease.giveUp();
    await expect(budget.acquire({ use: 'statistics' })).rejects.toMatchObject({
      code: 'ERR_LIBVIRT_UNRESPONSIVE',
      message: expect.stringContaining('15 calls'),
    });
    leases[3]?.release();
    await acquire(1, { use: 'statistics' });
  });

  test('and one of the calls is active, the next waits, and is rejected as soon as that one stalls', async () => {
    const leases = await acquire(15, { use: 'statistics' });
    for (const lease of leases.slice(1)) lease.giveUp();
    const next = budget.acquire({ use: 'statistics' });
    expect(await isSettled(next)).toBe(false);
    leases[0]?.giveUp();
    await expect(next).rejects.toMatchObject({ code: 'ERR_LIBVIRT_UNRESPONSIVE' });
  });

  test('other uses still wait: their calls end within the time that libvirt gives them', async () => {
    const leases = await acquire(4, { use: 'configuration' });
    for (const lease of leases) lease.giveUp();
    const next = budget.acquire({ use: 'configuration' });
    expect(await isSettled(next)).toBe(false);
    leases[0]?.release();
    expect(await isSettled(next)).toBe(true);
  });
});

describe('calls of a lost connection', () => {
  test('count for 45 s', async () => {
    for (const lease of await acquire(3, { use: 'statistics' })) lease.orphan();
    await clock.advance(ORPHAN_MS - 1);
    expect(budget.held).toBe(3);
    await clock.advance(1);
    expect(budget.held).toBe(0);
  });

  test('count as calls without an answer', async () => {
    for (const lease of await acquire(15, { use: 'statistics' })) lease.orphan();
    await expect(budget.acquire({ use: 'statistics' })).rejects.toMatchObject({
      code: 'ERR_LIBVIRT_UNRESPONSIVE',
    });
    await clock.advance(ORPHAN_MS);
    await acquire(15, { use: 'statistics' });
  });

  test('count no longer once the daemon was restarted; calls that are under way do', async () => {
    const [lost, , underWay] = await acquire(4, { use: 'agent' });
    const waiting = budget.acquire({ use: 'agent' });
    lost?.orphan();
    expect(await isSettled(waiting)).toBe(false);
    budget.forgetOrphans();
    expect(await isSettled(waiting)).toBe(true);
    expect(budget.held).toBe(4);
    underWay?.orphan();
    await clock.advance(ORPHAN_MS);
    expect(budget.held).toBe(3);
  });

  test('leave no timer behind once they are forgotten', async () => {
    for (const lease of await acquire(4, { use: 'agent' })) lease.orphan();
    budget.forgetOrphans();
    expect(clock.timers()).toBe(0);
  });
});

test('too many waiting calls of one use are refused instead of remembered, and those of another are not', async () => {
  await acquire(4, { use: 'agent' });
  const waiting = Array.from({ length: 1_024 }, () => budget.acquire({ use: 'agent' }));
  await expect(budget.acquire({ use: 'agent' })).rejects.toMatchObject({ code: 'ERR_LIBVIRT_UNRESPONSIVE' });
  expect(waiting).toHaveLength(1_024);
  await acquire(1, { use: 'listing' });
});

describe('whatever happens in whatever order', () => {
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant('acquire' as const), use: fc.constantFrom(...USES) }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constantFrom('stall' as const, 'release' as const, 'orphan' as const),
        which: fc.nat(30),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 30_000 }) }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
  );

  test('the workers held are those of the calls that are not over, and never more than eighteen', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 150 }), async (steps) => {
        const time = fakeClock();
        const workers = new WorkerBudget(time);
        const held: { lease: WorkerLease; use: WorkerUse }[] = [];
        const orphans: { until: number }[] = [];
        let round = 0;
        let unsettled = 0;
        for (const one of steps) {
          if (one.kind === 'acquire') {
            const { use } = one;
            round += 1;
            const at = round;
            unsettled += 1;
            workers.acquire({ use, round, hasAnsweredSince: (since) => at >= since }).then(
              (lease) => {
                unsettled -= 1;
                held.push({ lease, use });
              },
              () => {
                unsettled -= 1;
              },
            );
          } else if (one.kind === 'wait') {
            await time.advance(one.ms);
          } else if (one.kind === 'restart') {
            workers.forgetOrphans();
            orphans.length = 0;
          } else {
            const index = one.which % Math.max(1, held.length);
            const entry = held[index];
            entry?.lease[one.kind]();
            if (entry !== undefined && one.kind !== 'stall') held.splice(index, 1);
            if (entry !== undefined && one.kind === 'orphan') orphans.push({ until: time.now() + ORPHAN_MS });
          }
          // A lease is there one microtask after its worker.
          for (let turn = 0; turn < 3; turn++) await Promise.resolve();
          const left = orphans.filter(({ until }) => until > time.now()).length;
          expect(workers.held).toBe(held.length + left);
          expect(workers.held).toBeLessThanOrEqual(18);
        }
        // Nobody waits for ever: once every call is over, all that waited have been served.
        workers.forgetOrphans();
        while (held.length > 0) {
          for (const { lease } of held.splice(0)) lease.release();
          for (let turn = 0; turn < 3; turn++) await Promise.resolve();
        }
        expect(workers.held).toBe(0);
        expect(unsettled).toBe(0);
      }),
      { numRuns: 300 },
    );
  });
});
