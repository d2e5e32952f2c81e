import { afterEach } from '@jest/globals';
import { type Logger, pino } from 'pino';
import { LibvirtClient } from '../../../src/daemon/event-client.ts';
import { Inventory, type InventorySnapshot } from '../../../src/inventory/inventory.ts';
import { domainXmlOf, type FakeDomain, fakeHypervisor, fakeUuid } from '../../support/fake-hypervisor.ts';
import {
  type FakeLibvirtd,
  type IncomingCall,
  startFakeLibvirtd,
  targetOf,
} from '../../support/fake-libvirtd.ts';

/** An inventory that is connected to a fake hypervisor. */
export interface Setup {
  readonly inventory: Inventory;
  readonly client: LibvirtClient;
  readonly daemon: FakeLibvirtd;
  readonly warnings: string[];
  readonly snapshot: (patienceMs?: number) => Promise<InventorySnapshot>;
  /** Procedures called since the last time this was asked. */
  readonly callsSince: () => number[];
}

const cleanUps: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

export async function setUp(
  domains: readonly FakeDomain[] | (() => readonly FakeDomain[]),
  { timeoutMs = 30_000, first }: { timeoutMs?: number; first?: (call: IncomingCall) => boolean } = {},
): Promise<Setup> {
  const handler = fakeHypervisor(typeof domains === 'function' ? domains : () => domains, first);
  const daemon = await startFakeLibvirtd(handler);
  const warnings: string[] = [];
  const log: Logger = pino(
    { level: 'warn' },
    { write: (line: string) => warnings.push(JSON.parse(line).domain ?? JSON.parse(line).msg) },
  );
  const inventory = new Inventory(log);
  const client = await LibvirtClient.connect({
    target: targetOf(daemon.path),
    timeoutMs,
    onCallSent: () => undefined,
    onClose: () => undefined,
    onDomainEvent: (event) => inventory.handleEvent(event),
  });
  cleanUps.push(daemon.stop, () => client.close());
  inventory.connected(client);
  let seen = daemon.received.length;
  return {
    inventory,
    client,
    daemon,
    warnings,
    snapshot: (patienceMs = 30_000) => inventory.snapshot(client, performance.now() + patienceMs),
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
