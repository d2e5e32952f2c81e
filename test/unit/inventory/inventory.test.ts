import { describe, expect, test } from '@jest/globals';
import { Lifecycle } from '../../../src/libvirt/events.ts';
import {
  domainXmlOf,
  type FakeDomain,
  FakeFailure,
  fakeUuid,
  lifecycleEvent,
} from '../../support/fake-hypervisor.ts';
import { domain, machines, setUp } from './set-up.ts';

describe('what one scrape requests of libvirt', () => {
  test('everything once, then a single call as long as nothing changes', async () => {
    const { snapshot, callsSince } = await setUp([domain(1), domain(2), domain(3, { id: -1, state: 5 })]);
    expect(Object.keys(machines(await snapshot()))).toEqual(['vm-1', 'vm-2', 'vm-3']);
    callsSince();
    await snapshot();
    await snapshot();
    expect(callsSince()).toEqual([344, 344]);
  });

  test('live and persistent configuration of a running domain, only one of the others', async () => {
    const requested: [string, number][] = [];
    const recording = (name: string) => (flags: number) => {
      requested.push([name, flags]);
      return domainXmlOf(flags === 2 ? 'pc-q35-7.2' : 'pc-q35-3.1');
    };
    const { snapshot } = await setUp([
      domain(1, { xml: recording('running') }),
      domain(2, { xml: recording('transient'), transient: true }),
      domain(3, { xml: recording('off'), id: -1, state: 5 }),
    ]);
    const { domains } = await snapshot();
    expect(requested.sort()).toEqual([
      ['off', 0],
      ['running', 0],
      ['running', 2],
      ['transient', 0],
    ]);
    expect(domains.map(({ persistent }) => persistent?.machine)).toEqual([
      'pc-q35-7.2',
      undefined,
      undefined,
    ]);
  });

  test('an event has the one domain read again that it is about', async () => {
    let machine = 'pc-q35-3.1';
    const one = domain(1, { id: -1, state: 5, xml: () => domainXmlOf(machine) });
    const { daemon, snapshot, callsSince } = await setUp([one, domain(2)]);
    await snapshot();
    callsSince();
    machine = 'pc-q35-7.2';
    daemon.send(lifecycleEvent(one, Lifecycle.defined, 1));
    expect(machines(await snapshot())['vm-1']).toBe('pc-q35-7.2');
    expect(callsSince().filter((procedure) => procedure === 14)).toHaveLength(1);
  });

  test('a new run is noticed by its id, even if the events were lost', async () => {
    const one = domain(1);
    const { snapshot, callsSince } = await setUp(() => [{ ...one }]);
    await snapshot();
    callsSince();
    Object.assign(one, { id: 7 });
    expect((await snapshot()).domains[0]?.id).toBe(7);
    expect(callsSince().filter((procedure) => procedure === 14)).toHaveLength(2);
  });

  test('an empty hypervisor is no error', async () => {
    const { snapshot } = await setUp([]);
    const { domains, hypervisor } = await snapshot();
    expect(domains).toEqual([]);
    expect(hypervisor?.version).toBe('7.2.22');
  });
});

describe('one bad domain leaves the others alone, and is logged once', () => {
  const others = { 'vm-2': 'pc-q35-7.2', 'vm-3': 'pc-q35-7.2' };

  test.each<[string, FakeDomain['xml']]>([
    ['XML that does not parse', () => '<domain><os>'],
    ['no XML at all', () => ''],
    ['another document', () => '<network/>'],
    [
      'an error from libvirt',
      () => {
        throw new FakeFailure(1, 'internal error: something');
      },
    ],
    [
      'a lock that is held',
      () => {
        throw new FakeFailure(68, 'cannot acquire state change lock');
      },
    ],
  ])('%s', async (_name, xml) => {
    const { inventory, snapshot, warnings } = await setUp([domain(1, { xml }), domain(2), domain(3)]);
    for (let scrape = 0; scrape < 3; scrape++) {
      const seen = await snapshot();
      expect(machines(seen)).toMatchObject(others);
      expect(seen.domains.find(({ name }) => name === 'vm-1')).toMatchObject({
        current: undefined,
        problem: { code: expect.stringMatching(/^ERR_/) },
      });
      await inventory.retryFailed();
    }
    expect(warnings).toEqual(['vm-1']);
  });

  test('a domain undefined after it was listed leaves no trace', async () => {
    const gone = domain(1, {
      xml: () => {
        throw new FakeFailure(42, 'Domain not found');
      },
    });
    const { snapshot, warnings } = await setUp([gone, domain(2), domain(3)]);
    expect(machines(await snapshot())).toEqual(others);
    expect(warnings).toEqual([]);
  });

  test('a domain whose XML never comes keeps the others waiting for no longer than the scrape allows', async () => {
    const { snapshot, warnings } = await setUp([domain(1, { xml: () => undefined }), domain(2), domain(3)], {
      timeoutMs: 200,
    });
    expect(machines(await snapshot())).toMatchObject(others);
    const begun = performance.now();
    expect(machines(await snapshot())).toMatchObject(others);
    expect(performance.now() - begun).toBeLessThan(900);
    expect(warnings).toEqual(['vm-1']);
  });

  test('what was known stays while a domain cannot be read, and the recovery shows', async () => {
    let broken = false;
    const one = domain(1, { xml: () => (broken ? '<' : domainXmlOf('pc-q35-3.1')) });
    const { inventory, daemon, snapshot } = await setUp([one]);
    await snapshot();
    broken = true;
    daemon.send(lifecycleEvent(one, Lifecycle.defined, 1));
    const stale = (await snapshot()).domains[0];
    expect(stale).toMatchObject({
      current: { machine: 'pc-q35-3.1' },
      problem: { code: 'ERR_XML_MALFORMED' },
    });
    broken = false;
    await inventory.retryFailed();
    expect((await snapshot()).domains[0]?.problem).toBeUndefined();
  });

  test('names of any kind are served as they are', async () => {
    const names = ['a "quoted" one', 'two\nlines', 'emoji 🐧', 'x'.repeat(200), "back\\slash and 'ticks'"];
    const { snapshot } = await setUp(names.map((name, index) => domain(index + 1, { name })));
    expect((await snapshot()).domains.map(({ name }) => name)).toEqual(names);
  });

  test('a name that two entries of one list carry is served once', async () => {
    const { snapshot } = await setUp([domain(1, { name: 'twin' }), domain(2, { name: 'twin' })]);
    expect((await snapshot()).domains.map(({ uuid }) => uuid)).toEqual([fakeUuid(1)]);
  });
});

describe('lifecycle events', () => {
  test('are counted by name, per domain', async () => {
    const one = domain(1);
    const { daemon, snapshot } = await setUp([one, domain(2)]);
    await snapshot();
    for (const [event, detail] of [
      [Lifecycle.suspended, 0],
      [Lifecycle.resumed, 0],
      [Lifecycle.stopped, 2],
      [Lifecycle.crashed, 0],
      [Lifecycle.stopped, 3],
      [Lifecycle.stopped, 1],
      [Lifecycle.stopped, 5],
    ] as const) {
      daemon.send(lifecycleEvent(one, event, detail));
    }
    const [counted, other] = (await snapshot()).domains;
    expect(counted?.events).toMatchObject({
      suspended: 1,
      resumed: 1,
      crashed: 2,
      panicked: 1,
      migrated: 1,
      stopped: 1,
      started: 0,
    });
    expect(Object.values(other?.events ?? {})).not.toContain(1);
  });

  test('a start that was seen remembers the version installed at that moment, for that run only', async () => {
    const one = domain(1);
    const { daemon, snapshot } = await setUp(() => [{ ...one }]);
    await snapshot();
    Object.assign(one, { id: 8 });
    daemon.send(lifecycleEvent(one, Lifecycle.started));
    expect((await snapshot()).domains[0]).toMatchObject({
      startedWithVersion: '7.2.22',
      startObservedSeconds: expect.any(Number),
    });
    Object.assign(one, { id: 9 });
    expect((await snapshot()).domains[0]).toMatchObject({
      startedWithVersion: undefined,
      startObservedSeconds: undefined,
    });
  });
});

test('a start that is announced while the domain is read for its former run is not lost', async () => {
  const one = domain(1, { id: 3 });
  let restart: (() => void) | undefined;
  const { daemon, snapshot } = await setUp(() => [
    {
      ...one,
      xml: (flags) => {
        restart?.();
        return domainXmlOf(flags === 2 ? 'pc-q35-7.2' : 'pc-q35-3.1');
      },
    },
  ]);
  await snapshot();
  restart = () => {
    restart = undefined;
    Object.assign(one, { id: 4 });
    daemon.send(lifecycleEvent(one, Lifecycle.started));
  };
  daemon.send(lifecycleEvent(one, Lifecycle.defined, 1));
  expect((await snapshot()).domains[0]).toMatchObject({
    id: 4,
    startedWithVersion: '7.2.22',
    startObservedSeconds: expect.any(Number),
    current: { machine: 'pc-q35-3.1' },
  });
});

test('after a new connection an id may mean another run: whose start was seen is not certain', async () => {
  const one = domain(1);
  const { client, daemon, inventory, snapshot } = await setUp(() => [{ ...one }]);
  daemon.send(lifecycleEvent(one, Lifecycle.started));
  const seen = { startedWithVersion: '7.2.22', startObservedSeconds: expect.any(Number) };
  expect((await snapshot()).domains[0]).toMatchObject({ ...seen, startObserved: true });
  inventory.connected(client);
  // A restarted daemon gives ids anew.
  Object.assign(one, { id: 9 });
  expect((await snapshot()).domains[0]).toMatchObject({ ...seen, id: 9, startObserved: false });
  Object.assign(one, { id: 10 });
  daemon.send(lifecycleEvent(one, Lifecycle.started));
  expect((await snapshot()).domains[0]).toMatchObject({ ...seen, id: 10, startObserved: true });
});

test('resync reads everything again, and finds what no event announced', async () => {
  let machine = 'pc-q35-3.1';
  const many = Array.from({ length: 40 }, (_, index) =>
    domain(index + 1, { id: -1, state: 5, xml: () => domainXmlOf(machine) }),
  );
  const { inventory, snapshot, callsSince } = await setUp(many);
  await snapshot();
  machine = 'pc-q35-7.2';
  callsSince();
  await inventory.resync();
  expect(callsSince().filter((procedure) => procedure === 14)).toHaveLength(40);
  expect(new Set(Object.values(machines(await snapshot())))).toEqual(new Set(['pc-q35-7.2']));
});

describe('the persistent configuration at the beginning of a run', () => {
  test('stays while the run lasts, and the next run has another', async () => {
    let machine = 'pc-q35-3.1';
    const vm = domain(1, { xml: () => domainXmlOf(machine) });
    const { inventory, snapshot } = await setUp([vm]);
    const atStart = async () => (await snapshot()).domains[0]?.persistentAtStart?.machine;
    expect(await atStart()).toBe('pc-q35-3.1');
    machine = 'pc-q35-7.2';
    inventory.handleEvent({ kind: 'lifecycle', domain: vm, event: Lifecycle.defined, detail: 1 });
    expect((await snapshot()).domains[0]?.persistent?.machine).toBe('pc-q35-7.2');
    expect(await atStart()).toBe('pc-q35-3.1');
    Object.assign(vm, { id: 2 });
    expect(await atStart()).toBe('pc-q35-7.2');
  });

  test('a document that is read again unchanged is the same object', async () => {
    const vm = domain(1);
    const { inventory, snapshot } = await setUp([vm]);
    const before = (await snapshot()).domains[0];
    inventory.reread(vm);
    const after = (await snapshot()).domains[0];
    expect(after?.current).toBe(before?.current);
    expect(after?.persistent).toBe(before?.persistent);
  });
});
