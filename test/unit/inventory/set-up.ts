import { type Logger, pino } from 'pino';
import { SYSTEM_CLOCK } from '../../../src/daemon/clock.ts';
import { ConfigurationClient } from '../../../src/daemon/configuration-client.ts';
import { EventClient } from '../../../src/daemon/event-client.ts';
import type { UnresponsiveDomains } from '../../../src/daemon/unresponsive-domains.ts';
import { Inventory, type InventorySnapshot } from '../../../src/inventory/inventory.ts';
import { domainXmlOf, type FakeDomain, fakeHypervisor, fakeUuid } from '../../support/fake-hypervisor.ts';
import { type FakeLibvirtd, type IncomingCall, targetOf } from '../../support/fake-libvirtd.ts';
import { poolOf } from '../../support/pool-of.ts';
import { atTestEnd, daemonWith } from '../../support/test-daemon.ts';

/** An inventory that is connected to a fake hypervisor. */
export interface Setup {
  readonly inventory: Inventory;
  readonly client: ConfigurationClient;
  /** Connects once more. */
  readonly connect: () => Promise<ConfigurationClient>;
  readonly daemon: FakeLibvirtd;
  /** The registry that the inventory reads. */
  readonly unresponsive: UnresponsiveDomains;
  readonly warnings: string[];
  readonly snapshot: (timeoutMs?: number) => Promise<InventorySnapshot>;
  /** Procedures called since this function was called last. */
  readonly callsSince: () => number[];
}

export async function setUp(
  domains: readonly FakeDomain[] | (() => readonly FakeDomain[]),
  { timeoutMs = 30_000, first }: { timeoutMs?: number; first?: (call: IncomingCall) => boolean } = {},
): Promise<Setup> {
  const handler = fakeHypervisor(typeof domains === 'function' ? domains : () => domains, first);
  const daemon = await daemonWith(handler);
  const warnings: string[] = [];
  const log: Logger = pino(
    { level: 'warn' },
    { write: (line: string) => warnings.push(JSON.parse(line).domain ?? JSON.parse(line).msg) },
  );
  const { pool, unresponsive } = poolOf(daemon);
  const inventory = new Inventory({ log, isUnresponsive: (domain) => unresponsive.has(domain) });
  const connect = async (): Promise<ConfigurationClient> => {
    const events = await EventClient.connect({
      target: targetOf(daemon.path),
      timeoutMs,
      onCallSent: () => undefined,
      onClose: () => undefined,
      onDomainEvent: (event) => inventory.handleEvent(event),
    });
    atTestEnd(() => events.close());
    return new ConfigurationClient({
      number: 1,
      events,
      pool,
      clock: SYSTEM_CLOCK,
      onListed: () => undefined,
    });
  };
  atTestEnd(() => pool.stop());
  const client = await connect();
  inventory.connected(client);
  let seen = daemon.received.length;
  return {
    inventory,
    client,
    connect,
    daemon,
    unresponsive,
    warnings,
    snapshot: (timeoutMs = 30_000) => inventory.snapshot(client, performance.now() + timeoutMs),
    callsSince: () => {
      const calls = daemon.received.slice(seen).map(({ procedure }) => procedure);
      seen = daemon.received.length;
      return calls;
    },
  };
}

export function domain(number: number, changes: Partial<FakeDomain> = {}): FakeDomain {
  return {
    name: `vm-${number}`,
    uuid: fakeUuid(number),
    id: number,
    state: 1,
    xml: () => domainXmlOf('pc-q35-7.2'),
    ...changes,
  };
}

export const machines = ({ domains }: InventorySnapshot): Record<string, string | undefined> =>
  Object.fromEntries(domains.map(({ name, current }) => [name, current?.machine]));
