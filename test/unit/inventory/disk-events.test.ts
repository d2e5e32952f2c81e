import { describe, expect, test } from '@jest/globals';
import { afterDiskEvent, type DiskEvents, NO_DISK_EVENTS } from '../../../src/inventory/disk-events.ts';
import { parseDomainXml } from '../../../src/inventory/domain-xml.ts';
import { type DomainEvent, Lifecycle } from '../../../src/libvirt/events.ts';
import { domainXmlOf } from '../../support/fake-hypervisor.ts';
import { domain, setUp } from './set-up.ts';

const DOMAIN = { name: 'vm', uuid: '00000000-0000-4000-8000-000000000001', id: 1 };
const DISK = `<disk type='file' device='disk'><source file='/d.img'/><target dev='vdb' bus='virtio'/>
  <alias name='virtio-disk1'/></disk>`;
const XML = domainXmlOf('pc-q35-7.2').replace('<devices>', `<devices>${DISK}`);
const CONFIG = parseDomainXml(XML);

const ioError = (changes: Partial<Extract<DomainEvent, { kind: 'io-error' }>> = {}): DomainEvent => ({
  kind: 'io-error',
  domain: DOMAIN,
  alias: 'virtio-disk1',
  paused: true,
  reason: 'enospc',
  ...changes,
});
const threshold = (device: string): DomainEvent => ({ kind: 'block-threshold', domain: DOMAIN, device });
const lifecycle = (event: number): DomainEvent => ({ kind: 'lifecycle', domain: DOMAIN, event, detail: 0 });

const eventsAfter = (...events: DomainEvent[]): DiskEvents =>
  events.reduce((before, event) => afterDiskEvent(before, event, CONFIG), NO_DISK_EVENTS);

describe('failed requests', () => {
  test('are counted by disk and reason', () => {
    const { ioErrors } = eventsAfter(
      ioError(),
      ioError(),
      ioError({ reason: '' }),
      ioError({ reason: 'a reason of a newer libvirt' }),
    );
    expect(ioErrors).toEqual(new Map([['vdb', { no_space: 2, unspecified: 1, other: 1 }]]));
  });

  test('of a disk that is not known any more are counted by its alias', () => {
    expect([...eventsAfter(ioError({ alias: 'virtio-disk7' })).ioErrors.keys()]).toEqual(['virtio-disk7']);
    expect([...afterDiskEvent(NO_DISK_EVENTS, ioError(), undefined).ioErrors.keys()]).toEqual([
      'virtio-disk1',
    ]);
  });

  test('are counted for a bounded number of disks', () => {
    let events = NO_DISK_EVENTS;
    for (let disk = 0; disk < 2_000; disk++)
      events = afterDiskEvent(events, ioError({ alias: `virtio-disk${disk}` }), undefined);
    expect(events.ioErrors.size).toBe(1_024);
  });

  test('name the disks for which the domain was paused, until the domain is resumed', () => {
    const paused = eventsAfter(ioError(), ioError({ alias: 'virtio-disk2', paused: false }));
    expect(paused.pausedBy).toEqual(new Set(['vdb']));
    const suspended = afterDiskEvent(paused, lifecycle(Lifecycle.suspended), CONFIG);
    expect(suspended).toBe(paused);
    const resumed = afterDiskEvent(paused, lifecycle(Lifecycle.resumed), CONFIG);
    expect(resumed).toEqual({ ...paused, pausedBy: new Set() });
  });
});

test('a write beyond a threshold counts once, although libvirt sends two events', () => {
  expect(eventsAfter(threshold('vda'), threshold('vda[1]'), threshold('vda')).thresholds).toEqual(
    new Map([['vda', 2]]),
  );
});

test('events of other kinds change nothing', () => {
  const reboot: DomainEvent = { kind: 'reboot', domain: DOMAIN };
  expect(eventsAfter(reboot, lifecycle(Lifecycle.resumed))).toBe(NO_DISK_EVENTS);
});

describe('the inventory', () => {
  const seen = async ({ snapshot }: Awaited<ReturnType<typeof setUp>>) => (await snapshot()).domains[0];

  test('counts the events of a domain, and reads no configuration for them', async () => {
    const running = domain(1, { xml: () => XML });
    const setup = await setUp([running]);
    await setup.snapshot();
    setup.callsSince();
    setup.inventory.handleEvent(ioError({ domain: running }));
    setup.inventory.handleEvent({ ...threshold('vdb'), domain: running });
    expect((await seen(setup))?.diskEvents).toEqual({
      ioErrors: new Map([['vdb', { no_space: 1, unspecified: 0, other: 0 }]]),
      thresholds: new Map([['vdb', 1]]),
      pausedBy: new Set(['vdb']),
    });
    expect(setup.callsSince()).not.toContain(14);
  });

  test('has the reason of the state', async () => {
    const paused = domain(1, { state: 3, reason: 5 });
    expect(await seen(await setUp([paused]))).toMatchObject({ state: 3, reason: 5 });
  });

  test('does not know for which disks a domain is paused once it may have missed a resume', async () => {
    const running = domain(1, { xml: () => XML });
    const setup = await setUp([running]);
    await setup.snapshot();
    setup.inventory.handleEvent(ioError({ domain: running }));
    setup.inventory.connected(await setup.connect());
    const events = (await seen(setup))?.diskEvents;
    expect(events?.pausedBy.size).toBe(0);
    expect(events?.ioErrors.size).toBe(1);
  });
});
