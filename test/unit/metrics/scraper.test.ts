import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { pino } from 'pino';
import type { Collector } from '../../../src/metrics/collector.ts';
import { gauge, newFamily } from '../../../src/metrics/metric-family.ts';
import { Scraper } from '../../../src/metrics/scraper.ts';
import { TextBuffer } from '../../../src/metrics/text-buffer.ts';
import type { Snapshot } from '../../../src/snapshot/snapshot.ts';
import type { TakeSnapshot } from '../../../src/snapshot/take-snapshot.ts';
import { Exposition } from '../../../testbed/exposition.ts';

const SNAPSHOT: Snapshot = {
  hypervisor: undefined,
  stateCounts: new Map([[1, 3]]),
  host: undefined,
  domains: [],
  pools: undefined,
  unmeasured: new Set(),
  endOfLife: () => undefined,
  isSameFile: () => false,
  isKnownOs: () => false,
};
const AMPLE_MS = 30_000;

afterEach(() => {
  jest.useRealTimers();
});

/** A collector that serves one sample, `NAME_seen`, with the number of running domains. */
function collector(name: string, collect?: () => never): Collector {
  const spec = gauge(`${name}_seen`, 'Seen.', []);
  return {
    name,
    help: name,
    enabledByDefault: true,
    families: [spec],
    collect: ({ stateCounts }) => {
      collect?.();
      const seen = newFamily(spec);
      seen.samples.push({ labels: {}, value: stateCounts.get(1) ?? 0 });
      return [seen];
    },
  };
}

interface Setup {
  readonly scrape: (timeoutMs?: number, selects?: (name: string) => boolean) => Promise<Exposition>;
  readonly log: Record<string, unknown>[];
}

function setUp(takeSnapshot: TakeSnapshot, collectors = [collector('a'), collector('b')]): Setup {
  const log: Record<string, unknown>[] = [];
  const scraper = new Scraper({
    collectors,
    takeSnapshot,
    log: pino({ base: null }, { write: (line: string) => log.push(JSON.parse(line)) }),
  });
  const scrape = async (timeoutMs = AMPLE_MS, selects = (_name: string) => true): Promise<Exposition> => {
    const out = new TextBuffer([]);
    await scraper.scrape(out, {
      timeoutMs,
      format: 'text',
      selects,
      signal: new AbortController().signal,
    });
    return new Exposition(Buffer.concat(out.finish()).toString());
  };
  return { scrape, log };
}

/** A gathering that the test ends. */
function heldSnapshot() {
  const deadlines: number[] = [];
  let resolve: (snapshot: Snapshot) => void = () => undefined;
  let reject: (reason: unknown) => void = () => undefined;
  return {
    deadlines,
    takeSnapshot: (deadline: number): Promise<Snapshot> => {
      deadlines.push(deadline);
      return new Promise((onSnapshot, onFailure) => {
        resolve = onSnapshot;
        reject = onFailure;
      });
    },
    succeed: (): void => resolve(SNAPSHOT),
    fail: (): void => reject(new Error('libvirt hung up')),
  };
}

const success = (seen: Exposition): Record<string, number> =>
  Object.fromEntries(
    seen.all('libvirt_scrape_collector_success').map(({ labels, value }) => [labels.collector, value]),
  );

describe('a scrape', () => {
  test('serves what each collector makes of the snapshot, with its success and duration', async () => {
    const seen = await setUp(async () => SNAPSHOT).scrape();
    expect(seen.value('libvirt_up')).toBe(1);
    expect([seen.value('a_seen'), seen.value('b_seen')]).toEqual([3, 3]);
    expect(success(seen)).toEqual({ a: 1, b: 1 });
    const durations = seen.all('libvirt_scrape_collector_duration_seconds');
    expect(durations.map(({ labels }) => labels.collector)).toEqual(['a', 'b']);
    for (const { value } of durations) {
      expect(value).toBeGreaterThanOrEqual(0);
      expect(value).toBeLessThan(5);
    }
  });

  test('runs only the collectors that are selected', async () => {
    const collect = jest.fn<() => never>();
    const { scrape } = setUp(async () => SNAPSHOT, [collector('a', collect), collector('b')]);
    const seen = await scrape(AMPLE_MS, (name) => name === 'b');
    expect(collect).not.toHaveBeenCalled();
    expect(success(seen)).toEqual({ b: 1 });
    expect([seen.value('libvirt_up'), seen.value('a_seen'), seen.value('b_seen')]).toEqual([1, undefined, 3]);
  });

  test('without any collector selected says that libvirt is up', async () => {
    const seen = await setUp(async () => SNAPSHOT).scrape(AMPLE_MS, () => false);
    expect(seen.samples).toEqual([{ name: 'libvirt_up', labels: {}, value: 1 }]);
  });

  test('gives the gathering its deadline', async () => {
    const held = heldSnapshot();
    const before = performance.now();
    const scrape = setUp(held.takeSnapshot).scrape(1_234);
    held.succeed();
    await scrape;
    expect(held.deadlines).toHaveLength(1);
    expect((held.deadlines[0] ?? 0) - before).toBeGreaterThanOrEqual(1_234);
    expect((held.deadlines[0] ?? 0) - before).toBeLessThan(2_234);
  });
});

describe('scrapes at the same time', () => {
  test('share one gathering; the one after begins another', async () => {
    const held = heldSnapshot();
    const { scrape } = setUp(held.takeSnapshot);
    const together = [scrape(), scrape(AMPLE_MS, (name) => name === 'a'), scrape()];
    expect(held.deadlines).toHaveLength(1);
    held.succeed();
    const [one, two, three] = await Promise.all(together);
    expect([one, two, three].map((seen) => seen?.value('a_seen'))).toEqual([3, 3, 3]);
    expect([one?.value('b_seen'), two?.value('b_seen')]).toEqual([3, undefined]);
    const next = scrape();
    expect(held.deadlines).toHaveLength(2);
    held.succeed();
    expect((await next).value('libvirt_up')).toBe(1);
  });

  test('fail together, and the one after takes its own snapshot', async () => {
    const held = heldSnapshot();
    const { scrape } = setUp(held.takeSnapshot);
    const together = [scrape(), scrape()];
    held.fail();
    expect((await Promise.all(together)).map((seen) => seen.value('libvirt_up'))).toEqual([0, 0]);
    const next = scrape();
    expect(held.deadlines).toHaveLength(2);
    held.succeed();
    expect((await next).value('libvirt_up')).toBe(1);
  });

  test.each([
    ['less time than the one under way', [10_000, 1_000]],
    ['much more time than the one under way', [1_000, 10_000]],
  ] as const)('one with %s gathers for itself, and has what its own time allows', async (_, timeouts) => {
    jest.useFakeTimers();
    const deadlines: number[] = [];
    const { scrape } = setUp(async (deadline) => {
      deadlines.push(deadline);
      await new Promise((resolve) => setTimeout(resolve, deadline - performance.now() - 100));
      return { ...SNAPSHOT, stateCounts: new Map([[1, deadlines.length]]) };
    });
    const scrapes = timeouts.map((timeoutMs) => scrape(timeoutMs));
    await jest.advanceTimersByTimeAsync(10_000);
    expect(deadlines).toHaveLength(2);
    for (const seen of await Promise.all(scrapes)) expect(seen.value('libvirt_up')).toBe(1);
  });
});

test('a collector whose kind could not be measured at all did not succeed, and serves what it knows', async () => {
  const measuring: Collector = { ...collector('a'), measures: ['block'] };
  const { scrape } = setUp(
    async () => ({ ...SNAPSHOT, unmeasured: new Set(['block'] as const) }),
    [measuring, collector('b')],
  );
  const seen = await scrape();
  expect(success(seen)).toEqual({ a: 0, b: 1 });
  expect(seen.value('a_seen')).toBe(3);
});

describe('when libvirt does not answer', () => {
  const isDown = (seen: Exposition): void => {
    expect(seen.value('libvirt_up')).toBe(0);
    expect(success(seen)).toEqual({ a: 0, b: 0 });
    expect(seen.all('a_seen')).toEqual([]);
    expect(seen.samples.filter(({ labels }) => 'domain' in labels)).toEqual([]);
  };

  test('a failed gathering: up 0, no collector succeeds, nothing else is served', async () => {
    const collect = jest.fn<() => never>();
    const { scrape } = setUp(
      () => Promise.reject(new Error('no libvirt')),
      [collector('a', collect), collector('b')],
    );
    isDown(await scrape());
    expect(collect).not.toHaveBeenCalled();
  });

  test('a gathering that takes too long: the same, at the deadline and not before', async () => {
    jest.useFakeTimers();
    const held = heldSnapshot();
    const scrape = setUp(held.takeSnapshot).scrape(2_000);
    const settled = jest.fn();
    scrape.then(settled, settled);
    await jest.advanceTimersByTimeAsync(1_999);
    expect(settled).not.toHaveBeenCalled();
    await jest.advanceTimersByTimeAsync(1);
    expect(settled).toHaveBeenCalled();
    isDown(await scrape);
  });

  test('a snapshot that fails after its deadline disturbs nobody', async () => {
    jest.useFakeTimers();
    const held = heldSnapshot();
    const { scrape } = setUp(held.takeSnapshot);
    const short = scrape(1_000);
    await jest.advanceTimersByTimeAsync(1_000);
    isDown(await short);
    held.fail();
    await jest.advanceTimersByTimeAsync(0);
    const next = scrape();
    held.succeed();
    expect((await next).value('libvirt_up')).toBe(1);
  });

  test('no timer is left behind by a scrape that was in time', async () => {
    jest.useFakeTimers();
    await setUp(async () => SNAPSHOT).scrape();
    expect(jest.getTimerCount()).toBe(0);
  });
});

describe('a collector that throws', () => {
  test('fails alone, and is logged once however often it is scraped', async () => {
    const broken = collector('a', () => {
      throw new Error('unexpected document');
    });
    const { scrape, log } = setUp(async () => SNAPSHOT, [broken, collector('b')]);
    for (let round = 0; round < 3; round++) {
      const seen = await scrape();
      expect(seen.value('libvirt_up')).toBe(1);
      expect(success(seen)).toEqual({ a: 0, b: 1 });
      expect([seen.value('a_seen'), seen.value('b_seen')]).toEqual([undefined, 3]);
      expect(seen.all('libvirt_scrape_collector_duration_seconds')).toHaveLength(2);
    }
    expect(log).toEqual([
      expect.objectContaining({
        level: 50,
        collector: 'a',
        msg: 'collector failed; its metrics are missing from the scrape',
        err: expect.objectContaining({ message: 'unexpected document' }),
      }),
    ]);
  });

  test('is logged again when it fails otherwise, or anew after it worked', async () => {
    let problem: string | undefined;
    const flaky: Collector = {
      ...collector('a'),
      collect: () => {
        if (problem !== undefined) throw new Error(problem);
        return [];
      },
    };
    const { scrape, log } = setUp(async () => SNAPSHOT, [flaky]);
    for (const next of ['one', 'one', 'two', undefined, 'two', 'two']) {
      problem = next;
      expect(success(await scrape())).toEqual({ a: next === undefined ? 1 : 0 });
    }
    expect(log.map(({ err }) => (err as { message: string }).message)).toEqual(['one', 'two', 'two']);
  });

  test('whatever it throws', async () => {
    const strange: Collector = {
      ...collector('a'),
      collect: () => {
        throw 'a word';
      },
    };
    const { scrape, log } = setUp(async () => SNAPSHOT, [strange, collector('b')]);
    expect(success(await scrape())).toEqual({ a: 0, b: 1 });
    expect(log).toEqual([expect.objectContaining({ collector: 'a', err: 'a word' })]);
  });
});

test('a scrape that joined a gathering with less time than its own tries again by itself', async () => {
  let gatherings = 0;
  const { scrape } = setUp(async (deadline) => {
    gatherings += 1;
    if (gatherings > 1) return SNAPSHOT;
    // As libvirt's client does: it gives up when the deadline that it was handed has passed.
    await new Promise((resolve) => setTimeout(resolve, Math.ceil(deadline - performance.now()) + 1));
    throw new Error('no answer in time');
  });
  const [first, joiner] = await Promise.all([scrape(20), scrape()]);
  expect(first.value('libvirt_up')).toBe(0);
  expect(joiner.value('libvirt_up')).toBe(1);
  expect(gatherings).toBe(2);
});

test('overlapping scrapes that measure the same share one gathering, others do not', async () => {
  const measured: string[][] = [];
  let resolve: (snapshot: Snapshot) => void = () => undefined;
  const snapshot = new Promise<Snapshot>((settle) => {
    resolve = settle;
  });
  const takeSnapshot = (_deadline: number, kinds: ReadonlySet<string>): Promise<Snapshot> => {
    measured.push([...kinds]);
    return snapshot;
  };
  const { scrape } = setUp(takeSnapshot, [
    { ...collector('a'), measures: ['block', 'cpu'] },
    { ...collector('b'), measures: ['cpu'] },
    collector('c'),
  ]);
  const scrapes = [
    scrape(),
    scrape(AMPLE_MS, (name) => name !== 'c'),
    scrape(AMPLE_MS, (name) => name === 'c'),
  ];
  resolve(SNAPSHOT);
  await Promise.all(scrapes);
  expect(measured).toEqual([['block', 'cpu'], []]);
});

test('between two families others get a turn when writing takes long', async () => {
  const turns: string[] = [];
  const slow = (name: string): Collector => ({
    ...collector(name),
    collect: () => {
      turns.push(name);
      const begun = performance.now();
      while (performance.now() - begun < 12);
      const family = newFamily(gauge(`${name}_seen`, 'Seen.', []));
      family.samples.push({ labels: {}, value: 1 });
      return [family];
    },
  });
  const { scrape } = setUp(async () => SNAPSHOT, [slow('a'), slow('b')]);
  const done = scrape();
  const other = new Promise<void>((resolve) => {
    const look = (): void => {
      if (turns.length === 0) setImmediate(look);
      else {
        turns.push('other');
        resolve();
      }
    };
    setImmediate(look);
  });
  await Promise.all([done, other]);
  expect(turns).toEqual(['a', 'other', 'b']);
});

test('a scrape whose client is gone runs no collector', async () => {
  let ran = false;
  const spy = () => {
    ran = true;
    return [];
  };
  const scraper = new Scraper({
    collectors: [{ ...collector('a'), collect: spy }],
    takeSnapshot: async () => SNAPSHOT,
    log: pino({ enabled: false }),
  });
  await scraper.scrape(new TextBuffer([]), {
    timeoutMs: 1_000,
    format: 'text',
    selects: () => true,
    signal: AbortSignal.abort(),
  });
  expect(ran).toBe(false);
});
