import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { ConfigurationClient } from '../../../src/daemon/configuration-client.ts';
import { EventClient } from '../../../src/daemon/event-client.ts';
import { type FakeClock, fakeClock, isSettled } from '../../support/fake-clock.ts';
import { domainXmlOf, type FakeDomain, fakeHypervisor, fakeUuid } from '../../support/fake-hypervisor.ts';
import {
  type FakeLibvirtd,
  type IncomingCall,
  startFakeLibvirtd,
  targetOf,
} from '../../support/fake-libvirtd.ts';
import { type FakePool, poolOf } from '../../support/pool-of.ts';

const GET_XML_DESC = 14;
const LIST_ALL_DOMAINS = 273;
const GET_ALL_DOMAIN_STATS = 344;
const TIMEOUT_MS = 5_000;

let domains: FakeDomain[];
/** Procedures whose calls are held instead of answered. */
let held: Set<number>;
let waiting: IncomingCall[];
let clock: FakeClock;
let daemon: FakeLibvirtd;
let events: EventClient;
let pool: FakePool;
let client: ConfigurationClient;
let listings: number;

beforeEach(async () => {
  domains = [1, 2].map((id) => ({
    name: `vm-${id}`,
    uuid: fakeUuid(id),
    id,
    state: 1,
    xml: (flags) => domainXmlOf(flags === 0 ? 'pc-q35-7.2' : 'pc-q35-8.0'),
  }));
  held = new Set();
  waiting = [];
  clock = fakeClock();
  listings = 0;
  daemon = await startFakeLibvirtd(
    fakeHypervisor(
      () => domains,
      (call) => {
        if (!held.has(call.procedure)) return false;
        waiting.push(call);
        return true;
      },
    ),
  );
  pool = poolOf(daemon, undefined, clock);
  events = await EventClient.connect({
    target: targetOf(daemon.path),
    timeoutMs: TIMEOUT_MS,
    onDomainEvent: () => undefined,
    onCallSent: () => undefined,
    onClose: () => undefined,
  });
  const onListed = (): void => {
    listings += 1;
  };
  client = new ConfigurationClient({ number: 1, events, pool: pool.pool, clock, onListed });
});

afterEach(async () => {
  await Promise.all([events.close(), pool.pool.stop()]);
  await daemon.stop();
});

const first = (): FakeDomain => {
  const [domain] = domains;
  if (domain === undefined) throw new Error('no domain');
  return domain;
};

/** Resolves once this many calls are held. */
async function untilWaiting(count: number): Promise<IncomingCall[]> {
  while (waiting.length < count) await new Promise((resolve) => setImmediate(resolve));
  return waiting;
}

test('domains are listed with their states, and that is reported', async () => {
  first().state = 3;
  expect(await client.domainStates()).toMatchObject([
    { domain: { name: 'vm-1', id: 1 }, state: 3, reason: 0 },
    { domain: { name: 'vm-2' }, state: 1 },
  ]);
  expect(listings).toBe(1);
});

test('a listing without an answer means that libvirt does not answer, from its deadline on until it does', async () => {
  held.add(GET_ALL_DOMAIN_STATS);
  const states = client.domainStates();
  const [call] = await untilWaiting(1);
  await clock.advance(TIMEOUT_MS - 1);
  expect(client.isAnswering).toBe(true);
  await clock.advance(1);
  expect(client.isAnswering).toBe(false);
  expect(client.isOpen).toBe(true);
  call?.fail(1, 'internal error');
  await expect(states).rejects.toMatchObject({ number: 1 });
  expect(client.isAnswering).toBe(true);
  expect(listings).toBe(0);
});

test('XML is that of this run, or of the next', async () => {
  expect(await client.currentXml(first())).toContain('pc-q35-7.2');
  expect(await client.persistentXml(first())).toContain('pc-q35-8.0');
});

test('XML that does not come keeps neither a listing nor another domain nor another name waiting', async () => {
  const hung = first();
  const xml = hung.xml;
  hung.xml = () => undefined;
  const current = client.currentXml(hung);
  await daemon.waitFor(({ procedure }) => procedure === GET_XML_DESC);
  expect(await client.domainStates()).toHaveLength(2);
  for (const domain of domains.slice(1)) expect(await client.currentXml(domain)).toContain('pc-q35');
  hung.xml = xml;
  expect(await client.currentXml({ ...hung, name: 'renamed' })).toContain('pc-q35-7.2');
  expect(await client.currentXml({ ...hung, id: 99 })).toContain('pc-q35-7.2');
  expect(await isSettled(current)).toBe(false);
  // The same call is not sent a second time.
  const sent = (): number => daemon.received.filter(({ procedure }) => procedure === GET_XML_DESC).length;
  const before = sent();
  expect(await isSettled(client.currentXml(hung))).toBe(false);
  expect(sent()).toBe(before);
});

test('what needs no worker goes over the connection for events, while all workers are held', async () => {
  held.add(GET_XML_DESC);
  for (let id = 10; id < 14; id++) client.currentXml({ ...first(), id }).catch(() => undefined);
  await untilWaiting(4);
  expect(pool.budget.held).toBe(4);
  expect(await client.daemonVersion()).toMatchObject({ major: 7 });
  expect(await client.hypervisorVersion()).toMatchObject({ major: 7 });
  expect(await client.transientDomains()).toEqual([]);
  expect(daemon.received.some(({ procedure }) => procedure === LIST_ALL_DOMAINS)).toBe(true);
  expect(pool.budget.held).toBe(4);
});

test('a monitor is occupied when a call has waited for it for more than a second', async () => {
  const isOccupied = async (occupiedMs: number, id = 1): Promise<boolean> => {
    first().occupiedMs = occupiedMs;
    return client.isMonitorOccupied({ ...first(), id });
  };
  expect(await isOccupied(0)).toBe(false);
  expect(await isOccupied(1_000)).toBe(false);
  expect(await isOccupied(1_001)).toBe(true);
  expect(await isOccupied(60_000, -1)).toBe(false);
  domains = [];
  expect(await client.isMonitorOccupied({ name: 'gone', uuid: fakeUuid(9), id: 9 })).toBe(false);
});
