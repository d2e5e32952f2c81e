import { describe, expect, test } from '@jest/globals';
import { Lifecycle } from '../../../src/libvirt/events.ts';
import { XdrWriter } from '../../../src/libvirt/xdr.ts';
import { domainXmlOf, FakeFailure, lifecycleEvent } from '../../support/fake-hypervisor.ts';
import type { IncomingCall } from '../../support/fake-libvirtd.ts';
import { domain, machines, setUp } from './set-up.ts';

const GET_VERSION = 4;
const GET_CAPABILITIES = 7;
const GET_XML_DESC = 14;
const GET_ALL_DOMAIN_STATS = 344;
const BUDGET_MS = 1_000;

interface Hold {
  readonly first: (call: IncomingCall) => boolean;
  /** Keeps the next call of the procedure, and resolves with it. */
  readonly next: () => Promise<IncomingCall>;
}

function hold(procedure: number): Hold {
  let keep: ((call: IncomingCall) => void) | undefined;
  return {
    first: (call) => {
      if (keep === undefined || call.procedure !== procedure) return false;
      keep(call);
      keep = undefined;
      return true;
    },
    next: () =>
      new Promise((resolve) => {
        keep = resolve;
      }),
  };
}

describe('libvirt that takes its time', () => {
  test('domains are listed before the scrape is over, though capabilities do not come', async () => {
    const holding = hold(GET_CAPABILITIES);
    const held = holding.next();
    const { snapshot, inventory, daemon } = await setUp([domain(1)], { first: holding.first });
    const begun = performance.now();
    expect(machines(await snapshot(BUDGET_MS))).toEqual({ 'vm-1': 'pc-q35-7.2' });
    expect(performance.now() - begun).toBeLessThan(0.9 * BUDGET_MS);
    // Found out as soon as they can be had, without another call.
    (await held).reply(new XdrWriter().string('<capabilities/>').finish());
    await expect(snapshot()).resolves.toMatchObject({ hypervisor: { capabilities: { guests: [] } } });
    await inventory.retryFailed();
    expect(daemon.received.filter(({ procedure }) => procedure === GET_CAPABILITIES)).toHaveLength(1);
  });

  test('capabilities that could not be had are asked for again, with the domains that could not be read', async () => {
    let broken = true;
    const { snapshot, inventory } = await setUp([domain(1)], {
      first: (call) => {
        if (!broken || call.procedure !== GET_CAPABILITIES) return false;
        call.fail(38, 'probing an emulator timed out');
        return true;
      },
    });
    expect((await snapshot()).hypervisor?.capabilities).toBeUndefined();
    broken = false;
    await inventory.retryFailed();
    expect((await snapshot()).hypervisor?.capabilities).toBeDefined();
  });

  test('a version that does not come in time stays what it was', async () => {
    const holding = hold(GET_VERSION);
    const { snapshot, inventory } = await setUp([domain(1)], { timeoutMs: 200, first: holding.first });
    expect((await snapshot()).hypervisor).toMatchObject({ version: '7.2.22', problems: [] });
    const held = holding.next();
    inventory.refreshHypervisor();
    await held;
    for (;;) {
      const { hypervisor } = await snapshot();
      expect(hypervisor?.version).toBe('7.2.22');
      if (hypervisor?.problems.length === 1) break;
    }
  });

  test('ever so many domains that hang cost neither the connection nor the others, and are tried again', async () => {
    let hanging = true;
    const many = Array.from({ length: 12 }, (_, index) => {
      const number = index + 1;
      return domain(number, { name: `vm-${String(number).padStart(2, '0')}` });
    });
    const hung = many.slice(0, 8).map(({ name }) => name);
    const { snapshot, inventory, client, daemon, warnings } = await setUp(many, {
      timeoutMs: 100,
      // As libvirt 11.3 does: the answer, an error, comes when it gives up waiting for the domain's job.
      first: (call) => {
        if (!hanging || call.procedure !== GET_XML_DESC || !hung.some((name) => call.payload.includes(name)))
          return false;
        setTimeout(() => call.fail(68, 'cannot acquire state change lock'), 300);
        return true;
      },
    });
    while (warnings.length < hung.length) await snapshot();
    expect(machines(await snapshot())).toMatchObject({ 'vm-09': 'pc-q35-7.2', 'vm-12': 'pc-q35-7.2' });
    const reads = (): number => daemon.received.filter(({ procedure }) => procedure === GET_XML_DESC).length;
    const before = reads();
    // Neither a resync nor a new connection reads those again that could not be read.
    await inventory.resync();
    expect(reads() - before).toBe(2 * (many.length - hung.length));
    inventory.connected(client);
    await snapshot();
    expect(reads() - before).toBe(4 * (many.length - hung.length));
    expect(client.isOpen).toBe(true);
    expect(new Set(warnings)).toEqual(new Set(hung));
    expect(warnings).toHaveLength(hung.length);
    hanging = false;
    await inventory.retryFailed();
    expect(Object.values(machines(await snapshot()))).not.toContain(undefined);
  });

  test('a domain whose QEMU keeps others waiting is left for later, when there is time', async () => {
    const asked: string[] = [];
    const busy = domain(1, {
      occupiedMs: 5_000,
      xml: () => {
        asked.push('vm-1');
        return domainXmlOf('pc-q35-3.1');
      },
    });
    // Asked at this moment, as any domain may be.
    const healthy = domain(2, { occupiedMs: 20 });
    const { snapshot, inventory, warnings } = await setUp([busy, healthy]);
    const seen = await snapshot();
    expect(machines(seen)).toEqual({ 'vm-1': undefined, 'vm-2': 'pc-q35-7.2' });
    expect(seen.domains[0]?.problem).toMatchObject({ code: 'ERR_DOMAIN_BUSY' });
    expect(asked).toEqual([]);
    await inventory.retryFailed();
    expect(machines(await snapshot())).toMatchObject({ 'vm-1': 'pc-q35-3.1' });
    expect(warnings).toEqual(['vm-1']);
  });

  test('domains that answer again are read at once, however many others still hang', async () => {
    const many = Array.from({ length: 6 }, (_, index) => domain(index + 1, { occupiedMs: 5_000 }));
    const [first, , third] = many;
    if (first === undefined || third === undefined) throw new Error('no domains');
    const patient: string[] = [];
    const { snapshot, inventory } = await setUp(
      many.map((one) =>
        Object.assign(one, {
          // Never comes, for as long as its QEMU hangs.
          xml: () => {
            if (one.occupiedMs === 0) return domainXmlOf('pc-q35-7.2');
            patient.push(one.name);
            return undefined;
          },
        }),
      ),
      { timeoutMs: 100 },
    );
    await snapshot();
    void inventory.retryFailed();
    while (patient.length === 0) await snapshot();
    expect(patient).toEqual(['vm-1']);
    third.occupiedMs = 0;
    void inventory.retryFailed();
    const seen = async () => machines(await snapshot())['vm-3'];
    while ((await seen()) === undefined);
    expect(patient).toEqual(['vm-1']);
  });

  test('those that hang are read with patience in turn', async () => {
    const patient: string[] = [];
    const many = Array.from({ length: 3 }, (_, index) => {
      const name = `vm-${index + 1}`;
      const xml = (): string => {
        patient.push(name);
        throw new FakeFailure(68, 'cannot acquire state change lock');
      };
      return domain(index + 1, { occupiedMs: 5_000, xml });
    });
    const { snapshot, inventory } = await setUp(many);
    await snapshot();
    for (let round = 0; round < 4; round++) await inventory.retryFailed();
    expect(patient).toEqual(['vm-1', 'vm-2', 'vm-3', 'vm-1']);
  });

  test('a domain that changes while another hangs is read at once', async () => {
    let machine = 'pc-q35-3.1';
    const changing = domain(2, { id: -1, state: 5, xml: () => domainXmlOf(machine) });
    const { snapshot, daemon } = await setUp([domain(1, { xml: () => undefined }), changing], {
      timeoutMs: 200,
    });
    expect(machines(await snapshot())['vm-2']).toBe('pc-q35-3.1');
    machine = 'pc-q35-7.2';
    daemon.send(lifecycleEvent(changing, Lifecycle.defined, 1));
    expect(machines(await snapshot())['vm-2']).toBe('pc-q35-7.2');
  });

  test('scrapes that come together share a list that was asked for after they came', async () => {
    const holding = hold(GET_ALL_DOMAIN_STATS);
    const domains = [domain(1)];
    const { snapshot, callsSince } = await setUp(() => domains, { first: holding.first });
    await snapshot();
    callsSince();
    const held = holding.next();
    const under = snapshot();
    const call = await held;
    const others = Array.from({ length: 20 }, () => snapshot());
    domains.push(domain(2));
    call.fail(1, 'the list could not be made');
    await expect(under).rejects.toThrow('the list could not be made');
    for (const seen of await Promise.all(others)) expect(Object.keys(machines(seen))).toHaveLength(2);
    expect(callsSince().filter((procedure) => procedure === GET_ALL_DOMAIN_STATS)).toHaveLength(2);
  });
});

describe('a list that waits for a domain whose QEMU is being ended', () => {
  const BRIEF_MS = 800;

  test('is made do without while libvirt answers otherwise, and asked for no second time', async () => {
    const holding = hold(GET_ALL_DOMAIN_STATS);
    const { snapshot, callsSince } = await setUp([domain(1), domain(2)], { first: holding.first });
    await snapshot();
    callsSince();
    const held = holding.next();
    for (let scrape = 0; scrape < 3; scrape++)
      expect(Object.keys(machines(await snapshot(BRIEF_MS)))).toEqual(['vm-1', 'vm-2']);
    expect(callsSince().filter((procedure) => procedure === GET_ALL_DOMAIN_STATS)).toHaveLength(1);
    // Domain 2 is gone at last.
    (await held).reply(statesOf(domain(1)));
    expect(Object.keys(machines(await snapshot()))).toContain('vm-1');
  });

  test('is missed where libvirt answers nothing at all', async () => {
    let silent = false;
    const { snapshot } = await setUp([domain(1)], { first: () => silent });
    await snapshot();
    silent = true;
    const begun = performance.now();
    await expect(snapshot(BRIEF_MS)).rejects.toMatchObject({ code: 'ERR_LIBVIRT_TIMEOUT' });
    expect(performance.now() - begun).toBeLessThan(2 * BRIEF_MS);
  });

  test('is missed where there was none before', async () => {
    const holding = hold(GET_ALL_DOMAIN_STATS);
    const held = holding.next();
    const { snapshot } = await setUp([domain(1)], { first: holding.first });
    await expect(snapshot(BRIEF_MS)).rejects.toMatchObject({ code: 'ERR_LIBVIRT_TIMEOUT' });
    (await held).reply(statesOf(domain(1)));
    expect(Object.keys(machines(await snapshot()))).toEqual(['vm-1']);
  });
});

describe('a list that is older than an event', () => {
  test('does not forget a domain that was started since, nor its events', async () => {
    const holding = hold(GET_ALL_DOMAIN_STATS);
    const domains = [domain(1)];
    const { snapshot, daemon } = await setUp(() => domains, { first: holding.first });
    await snapshot();
    const held = holding.next();
    const under = snapshot();
    const call = await held;
    const born = domain(2);
    domains.push(born);
    daemon.send(lifecycleEvent(born, Lifecycle.started));
    // The list was made before that domain was there.
    call.reply(new XdrWriter().uint(0).finish());
    await under;
    expect((await snapshot()).domains.find(({ name }) => name === 'vm-2')).toMatchObject({
      events: { started: 1 },
      startedWithVersion: '7.2.22',
    });
  });

  test('does not take a domain back to the run before', async () => {
    const holding = hold(GET_ALL_DOMAIN_STATS);
    const one = domain(1, { id: 3 });
    const { snapshot, daemon } = await setUp(() => [{ ...one }], { first: holding.first });
    await snapshot();
    const held = holding.next();
    const under = snapshot();
    const stale = domain(1, { id: 3 });
    const call = await held;
    Object.assign(one, { id: 4 });
    daemon.send(lifecycleEvent(one, Lifecycle.started));
    call.reply(statesOf(stale));
    await under;
    expect((await snapshot()).domains[0]).toMatchObject({ id: 4, startedWithVersion: '7.2.22' });
  });
});

function statesOf({ name, uuid, id }: { name: string; uuid: string; id: number }): Buffer {
  const out = new XdrWriter().uint(1).string(name);
  return out
    .fixedOpaque(Buffer.from(uuid.replaceAll('-', ''), 'hex'))
    .int(id)
    .uint(0)
    .finish();
}
