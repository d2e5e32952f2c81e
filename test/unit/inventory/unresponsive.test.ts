import { describe, expect, test } from '@jest/globals';
import { Lifecycle } from '../../../src/libvirt/events.ts';
import { XdrWriter } from '../../../src/libvirt/xdr.ts';
import { domainXmlOf, type FakeDomain, FakeFailure, lifecycleEvent } from '../../support/fake-hypervisor.ts';
import { hold } from './hold.ts';
import { domain, machines, type Setup, setUp } from './set-up.ts';

const GET_XML_DESC = 14;

/** How the inventory learns that a domain's QEMU does not respond. */
const KNOWN_BY = ['the registry', 'libvirt, as the monitor is occupied'] as const;

describe.each(KNOWN_BY)('a domain whose QEMU does not respond, known by %s', (knownBy) => {
  const requested: string[] = [];
  const requestsReach = async (count: number, snapshot: Setup['snapshot']): Promise<void> => {
    while (requested.length < count) await snapshot();
  };

  /** Not before the last of the others is being read. */
  const expectLast = (name: string, others: number): void => {
    expect(requested.indexOf(name)).toBeGreaterThanOrEqual(others - 1);
  };

  /** Running domains of which these numbers do not respond; `hungXml` answers for their XML. */
  async function fleet(
    count: number,
    unresponsive: readonly number[],
    hungXml: FakeDomain['xml'] = () => undefined,
    timeoutMs = 30_000,
  ): Promise<Setup & { readonly domains: readonly FakeDomain[]; readonly revive: (number: number) => void }> {
    requested.length = 0;
    const hung = new Set(unresponsive);
    const domains = Array.from({ length: count }, (_, index) => {
      const number = index + 1;
      return domain(number, {
        occupiedMs: hung.has(number) && knownBy !== 'the registry' ? 5_000 : 20,
        xml: (flags) => {
          if (flags === 0) requested.push(`vm-${number}`);
          return hung.has(number) ? hungXml(flags) : domainXmlOf('pc-q35-7.2');
        },
      });
    });
    const made = await setUp(() => domains.map((one) => ({ ...one })), { timeoutMs });
    if (knownBy === 'the registry')
      for (const one of domains) if (hung.has(one.id)) made.unresponsive.add(one, 'monitor');
    const revive = (number: number): void => {
      hung.delete(number);
      for (const one of domains) {
        if (one.id !== number) continue;
        made.unresponsive.remove(one, 'monitor');
        one.occupiedMs = 0;
      }
    };
    return { ...made, domains, revive };
  }

  test('is read after all others, and no scrape waits for it', async () => {
    const { snapshot, warnings } = await fleet(12, [1, 5]);
    const begun = performance.now();
    const seen = machines(await snapshot());
    expect(performance.now() - begun).toBeLessThan(900);
    expect(Object.keys(seen).filter((name) => seen[name] === undefined)).toEqual(['vm-1', 'vm-5']);
    await requestsReach(11, snapshot);
    // The second is not read while the first has no answer.
    await snapshot();
    expectLast('vm-1', 10);
    expect(requested).toHaveLength(11);
    expect(warnings).toEqual([]);
  });

  test('is served without its configuration after the timeout, and logged once', async () => {
    const { snapshot, warnings, inventory } = await fleet(3, [2], () => undefined, 300);
    const second = async () => (await snapshot()).domains[1];
    while ((await second())?.problem === undefined);
    expect(await second()).toMatchObject({ current: undefined, problem: { code: 'ERR_LIBVIRT_TIMEOUT' } });
    await inventory.retryFailed();
    await snapshot();
    expect(warnings).toEqual(['vm-2']);
    expect(requested.filter((name) => name === 'vm-2')).toHaveLength(1);
  });

  test('has its configuration as soon as libvirt returns it', async () => {
    const { snapshot } = await fleet(4, [1], () => domainXmlOf('pc-q35-3.1'));
    let seen = machines(await snapshot());
    while (seen['vm-1'] === undefined) seen = machines(await snapshot());
    expect(seen).toMatchObject({ 'vm-1': 'pc-q35-3.1', 'vm-2': 'pc-q35-7.2' });
    expectLast('vm-1', 3);
  });

  test('is read at once when its QEMU responds again, however many others do not', async () => {
    const { snapshot, inventory, revive } = await fleet(6, [1, 2, 3, 4, 5, 6]);
    await requestsReach(1, snapshot);
    expect(requested).toEqual(['vm-1']);
    revive(3);
    void inventory.retryFailed();
    while (machines(await snapshot())['vm-3'] === undefined);
    expect(requested).toEqual(['vm-1', 'vm-3']);
  });

  test('is read in turn with the others that do not respond, at each retry', async () => {
    const { snapshot, inventory } = await fleet(3, [1, 2, 3], () => {
      throw new FakeFailure(68, 'cannot acquire state change lock');
    });
    await requestsReach(3, snapshot);
    expect(requested).toEqual(['vm-1', 'vm-2', 'vm-3']);
    for (let seen = await snapshot(); seen.domains.some(({ problem }) => problem === undefined); )
      seen = await snapshot();
    await inventory.retryFailed();
    await requestsReach(6, snapshot);
    expect(requested.slice(3)).toEqual(['vm-1', 'vm-2', 'vm-3']);
  });

  test('that changes is read last', async () => {
    const { snapshot, daemon, domains } = await fleet(4, [1], () => domainXmlOf('pc-q35-3.1'));
    await requestsReach(4, snapshot);
    while (machines(await snapshot())['vm-1'] === undefined);
    requested.length = 0;
    daemon.send(Buffer.concat(domains.map((one) => lifecycleEvent(one, Lifecycle.defined, 1))));
    await requestsReach(4, snapshot);
    expect(requested).toHaveLength(4);
    expectLast('vm-1', 3);
  });

  test('has its new run read at once while the XML of the old one hangs', async () => {
    const { snapshot, daemon, domains } = await fleet(2, [1]);
    await requestsReach(2, snapshot);
    const [first] = domains;
    if (first === undefined) throw new Error('no domain');
    Object.assign(first, { id: 9, occupiedMs: 0, xml: () => domainXmlOf('pc-q35-8.0') });
    daemon.send(lifecycleEvent(first, Lifecycle.started));
    const begun = performance.now();
    expect((await snapshot()).domains[0]).toMatchObject({ id: 9, current: { machine: 'pc-q35-8.0' } });
    expect(performance.now() - begun).toBeLessThan(900);
  });
});

describe('a domain that ends while the call for its XML hangs', () => {
  /** One domain whose first XML call is held; the test changes what the fake serves. */
  async function hang(changes: Partial<FakeDomain> = {}): Promise<{
    readonly setup: Setup;
    readonly domains: FakeDomain[];
    readonly one: FakeDomain;
    readonly answerOld: () => Promise<void>;
  }> {
    const holding = hold(GET_XML_DESC);
    const held = holding.next();
    const one = domain(1, changes);
    const domains = [one];
    const setup = await setUp(() => domains.map((each) => ({ ...each })), { first: holding.first });
    void setup.snapshot();
    const call = await held;
    const answerOld = async (): Promise<void> => {
      call.reply(new XdrWriter().string(domainXmlOf('pc-i440fx-2.0')).finish());
      // A scrape after the answer has seen it.
      await setup.client.daemonVersion();
      await setup.snapshot();
    };
    return { setup, domains, one, answerOld };
  }

  /** A scrape waits for a call that hangs for a second at most. */
  async function expectSoon(setup: Setup, views: readonly object[]): Promise<void> {
    const begun = performance.now();
    expect((await setup.snapshot()).domains).toMatchObject(views);
    expect(performance.now() - begun).toBeLessThan(1_900);
  }

  test('and is started anew, is read for its new run at once', async () => {
    const { setup, one, answerOld } = await hang();
    Object.assign(one, { id: 9, xml: () => domainXmlOf('pc-q35-8.0') });
    setup.daemon.send(lifecycleEvent(one, Lifecycle.started));
    const views = [{ id: 9, current: { machine: 'pc-q35-8.0' }, problem: undefined }];
    await expectSoon(setup, views);
    await answerOld();
    await expectSoon(setup, views);
    expect(setup.warnings).toEqual([]);
  });

  test('and is shut off, is read for its next start at once', async () => {
    const { setup, one, answerOld } = await hang();
    Object.assign(one, { id: -1, state: 5 });
    setup.daemon.send(lifecycleEvent(one, Lifecycle.stopped, 1));
    const views = [{ id: -1, current: { machine: 'pc-q35-7.2' }, persistent: undefined }];
    await expectSoon(setup, views);
    await answerOld();
    await expectSoon(setup, views);
  });

  test.each([
    ['destroyed', 1],
    ['migrated away', 3],
  ])('and is %s, is forgotten, and read at once when it is there again', async (_how, detail) => {
    const { setup, domains, one, answerOld } = await hang({ transient: true });
    domains.splice(0);
    setup.daemon.send(lifecycleEvent({ ...one, id: -1 }, Lifecycle.stopped, detail));
    await expectSoon(setup, []);
    domains.push(Object.assign(one, { id: 9, xml: () => domainXmlOf('pc-q35-8.0') }));
    setup.daemon.send(lifecycleEvent(one, Lifecycle.started));
    await expectSoon(setup, [{ id: 9, current: { machine: 'pc-q35-8.0' } }]);
    await answerOld();
    await expectSoon(setup, [{ id: 9, current: { machine: 'pc-q35-8.0' } }]);
    domains.splice(0);
    await expectSoon(setup, []);
  });

  test('and is renamed, is read under its new name at once', async () => {
    const { setup, one, answerOld } = await hang({ id: -1, state: 5 });
    setup.daemon.send(lifecycleEvent(one, Lifecycle.undefined, 1));
    Object.assign(one, { name: 'renamed', xml: () => domainXmlOf('pc-q35-8.0') });
    setup.daemon.send(lifecycleEvent(one, Lifecycle.defined, 2));
    const views = [{ name: 'renamed', current: { machine: 'pc-q35-8.0' } }];
    await expectSoon(setup, views);
    await answerOld();
    await expectSoon(setup, views);
  });
});
