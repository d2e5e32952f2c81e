import { describe, expect, test } from '@jest/globals';
import { Lifecycle } from '../../../src/libvirt/events.ts';
import { XdrWriter } from '../../../src/libvirt/xdr.ts';
import { waitFor } from '../../../testbed/wait.ts';
import { domainXmlOf, lifecycleEvent } from '../../support/fake-hypervisor.ts';
import { hold } from './hold.ts';
import { domain, machines, setUp } from './set-up.ts';

const GET_VERSION = 4;
const GET_CAPABILITIES = 7;
const GET_XML_DESC = 14;
const LIST_ALL_DOMAINS = 273;
const GET_ALL_DOMAIN_STATS = 344;
const BUDGET_MS = 1_000;
const SOON = { timeoutMs: 5_000, everyMs: 2 };

describe('a libvirt that is slow', () => {
  test('domains are listed within the scrape, though libvirt does not return its capabilities', async () => {
    const holding = hold(GET_CAPABILITIES);
    const held = holding.next();
    const { snapshot, inventory, daemon } = await setUp([domain(1)], { first: holding.first });
    const begun = performance.now();
    expect(machines(await snapshot(BUDGET_MS))).toEqual({ 'vm-1': 'pc-q35-7.2' });
    expect(performance.now() - begun).toBeLessThan(0.9 * BUDGET_MS);
    // They are served as soon as libvirt returns them, without another call.
    (await held).reply(new XdrWriter().string('<capabilities/>').finish());
    await expect(snapshot()).resolves.toMatchObject({ hypervisor: { capabilities: { guests: [] } } });
    await inventory.retryFailed();
    expect(daemon.received.filter(({ procedure }) => procedure === GET_CAPABILITIES)).toHaveLength(1);
  });

  test('capabilities that could not be read are read again, with the domains that could not be read', async () => {
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

  test('a version that libvirt does not return in time stays what it was', async () => {
    const holding = hold(GET_VERSION);
    const { snapshot, inventory } = await setUp([domain(1)], { timeoutMs: 200, first: holding.first });
    expect((await snapshot()).hypervisor).toMatchObject({ version: '7.2.22', problems: [] });
    const held = holding.next();
    void inventory.refreshHypervisor();
    await held;
    for (;;) {
      const { hypervisor } = await snapshot();
      expect(hypervisor?.version).toBe('7.2.22');
      if (hypervisor?.problems.length === 1) break;
    }
  });

  test('ever so many domains whose XML takes long cost neither the connection nor the others, and are read again', async () => {
    let hanging = true;
    const many = Array.from({ length: 12 }, (_, index) => {
      const number = index + 1;
      return domain(number, { name: `vm-${String(number).padStart(2, '0')}` });
    });
    const hung = many.slice(0, 8).map(({ name }) => name);
    const { snapshot, inventory, client, daemon, warnings } = await setUp(many, {
      timeoutMs: 100,
      // As libvirt 11.3 does: an error is returned when it gives up waiting for the domain's job.
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

  test('a snapshot waits for every domain that is read in time, one after the other', async () => {
    const many = Array.from({ length: 30 }, (_, index) => domain(index + 1));
    const { snapshot, inventory } = await setUp(many, {
      first: (call) => {
        if (call.procedure !== GET_XML_DESC) return false;
        setTimeout(() => call.reply(new XdrWriter().string(domainXmlOf('pc-q35-7.2')).finish()), 5);
        return true;
      },
    });
    expect(Object.values(machines(await snapshot()))).not.toContain(undefined);
    await inventory.resync();
  });

  test('a listing of transient domains that fails is not repeated until the next scrape', async () => {
    const { snapshot, callsSince, daemon } = await setUp([domain(1), domain(2)], {
      first: (call) => {
        if (call.procedure !== LIST_ALL_DOMAINS) return false;
        call.fail(1, 'the list could not be made');
        return true;
      },
    });
    await snapshot(BUDGET_MS);
    callsSince();
    const answered = daemon.waitFor(({ procedure, serial }) => procedure === GET_VERSION && serial > 0);
    await snapshot(BUDGET_MS);
    await answered;
    expect(callsSince().filter((procedure) => procedure === LIST_ALL_DOMAINS).length).toBeLessThan(5);
  });

  test('a connection that is lost while domains are read says nothing about them, and they are read over the next one', async () => {
    const holding = hold(GET_XML_DESC);
    const held = holding.next();
    const many = Array.from({ length: 6 }, (_, index) => domain(index + 1));
    const { snapshot, daemon, inventory, client, callsSince, warnings, connect } = await setUp(many, {
      first: holding.first,
    });
    const scrape = snapshot();
    await held;
    callsSince();
    for (const socket of daemon.sockets) socket.destroy();
    await waitFor(async () => !client.isOpen || undefined, { ...SOON, what: 'the connection to be lost' });
    inventory.handleEvent({ kind: 'lifecycle', domain: domain(6), event: Lifecycle.defined, detail: 1 });
    const { domains } = await scrape;
    expect(domains).toHaveLength(6);
    // Two domains were being read, with two calls each.
    expect(callsSince().filter((procedure) => procedure === GET_XML_DESC).length).toBeLessThanOrEqual(4);
    expect(domains.map(({ problem }) => problem)).toEqual(domains.map(() => undefined));
    expect(warnings).toEqual([]);
    const next = await connect();
    inventory.connected(next);
    const again = await inventory.snapshot(next, performance.now() + 5_000);
    expect(Object.values(machines(again))).not.toContain(undefined);
  });

  test('a domain that changes while the XML of another hangs is read at once', async () => {
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

  test('overlapping scrapes share a list that was requested after they began', async () => {
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

describe('a list that libvirt does not return in time, as it ends a hung QEMU', () => {
  const BRIEF_MS = 800;

  test('is replaced by the list before while libvirt answers other calls, and is not requested a second time', async () => {
    const holding = hold(GET_ALL_DOMAIN_STATS);
    const { snapshot, callsSince } = await setUp([domain(1), domain(2)], { first: holding.first });
    await snapshot();
    callsSince();
    const held = holding.next();
    for (let scrape = 0; scrape < 3; scrape++)
      expect(Object.keys(machines(await snapshot(BRIEF_MS)))).toEqual(['vm-1', 'vm-2']);
    expect(callsSince().filter((procedure) => procedure === GET_ALL_DOMAIN_STATS)).toHaveLength(1);
    // Domain 2 has ended.
    (await held).reply(statesOf(domain(1)));
    expect(Object.keys(machines(await snapshot()))).toContain('vm-1');
  });

  test('fails the scrape where libvirt answers nothing at all', async () => {
    let silent = false;
    const { snapshot } = await setUp([domain(1)], { first: () => silent });
    await snapshot();
    silent = true;
    const begun = performance.now();
    await expect(snapshot(BRIEF_MS)).rejects.toMatchObject({ code: 'ERR_LIBVIRT_TIMEOUT' });
    expect(performance.now() - begun).toBeLessThan(2 * BRIEF_MS);
  });

  test('fails the scrape where there was none before', async () => {
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

  test('does not return a domain to the run before', async () => {
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
