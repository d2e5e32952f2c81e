import { describe, expect, test } from '@jest/globals';
import type { InventorySnapshot } from '../../../src/inventory/inventory.ts';
import { Lifecycle } from '../../../src/libvirt/events.ts';
import { domainXmlOf, type FakeDomain, FakeFailure, lifecycleEvent } from '../../support/fake-hypervisor.ts';
import { domain, setUp } from './set-up.ts';

const LIST = 273;
const SAVED_XML = 388;
const SAVED = 4;

/** Machine type of each domain's image; `none` without an image, `unreadable` for one without a configuration. */
function images({ domains }: InventorySnapshot): Record<string, string | undefined> {
  return Object.fromEntries(
    domains.map(({ name, managedSave }) => [
      name,
      typeof managedSave === 'object' ? (managedSave.config?.machine ?? 'unreadable') : managedSave,
    ]),
  );
}

const shutOff = (number: number, changes: Partial<FakeDomain> = {}): FakeDomain =>
  domain(number, { id: -1, state: 5, ...changes });
const imageOf = (machine: string) => () => domainXmlOf(machine);

test('the image is read beside the definition, which may have another machine type by now', async () => {
  const { snapshot } = await setUp([shutOff(1, { saved: imageOf('pc-q35-3.1') }), shutOff(2), domain(3)]);
  const seen = await snapshot();
  expect(images(seen)).toEqual({ 'vm-1': 'pc-q35-3.1', 'vm-2': 'none', 'vm-3': 'none' });
  expect(seen.domains[0]?.current?.machine).toBe('pc-q35-7.2');
});

test('without an image nothing is listed until something changes', async () => {
  const two = shutOff(2);
  const { daemon, snapshot, callsSince } = await setUp([domain(1), two]);
  await snapshot();
  callsSince();
  await snapshot();
  expect(callsSince()).not.toContain(LIST);
  two.saved = imageOf('pc-q35-3.1');
  daemon.send(lifecycleEvent(two, Lifecycle.stopped, SAVED));
  expect(images(await snapshot())['vm-2']).toBe('pc-q35-3.1');
});

test('an image that is removed, which libvirt does not announce, is gone with the next scrape', async () => {
  const one = shutOff(1, { saved: imageOf('pc-q35-3.1') });
  const { snapshot, callsSince } = await setUp([one]);
  await snapshot();
  callsSince();
  await snapshot();
  expect(callsSince()).not.toContain(SAVED_XML);
  one.saved = undefined;
  expect(images(await snapshot())).toEqual({ 'vm-1': 'none' });
});

test('a domain that was started and saved again has its new image read, though no scrape saw it run', async () => {
  const one = shutOff(1, { saved: imageOf('pc-q35-3.1') });
  const { daemon, snapshot } = await setUp([one]);
  await snapshot();
  one.saved = imageOf('pc-q35-7.1');
  daemon.send(lifecycleEvent({ ...one, id: 7 }, Lifecycle.started));
  daemon.send(lifecycleEvent(one, Lifecycle.stopped, SAVED));
  expect(images(await snapshot())).toEqual({ 'vm-1': 'pc-q35-7.1' });
});

describe('an image that libvirt cannot read', () => {
  test.each<[string, () => string | undefined]>([
    [
      'costs only itself',
      () => {
        throw new FakeFailure(38, 'cannot open file');
      },
    ],
    [
      'on a libvirt that does not know the call',
      () => {
        throw new FakeFailure(39, 'unknown procedure: 388');
      },
    ],
    ['holds no XML', () => 'not XML'],
    ['holds another document', () => '<network/>'],
  ])('%s', async (_, saved) => {
    const { inventory, client, snapshot } = await setUp([
      shutOff(1, { saved }),
      shutOff(2, { saved: imageOf('pc-q35-3.1') }),
    ]);
    for (let scrape = 0; scrape < 2; scrape++)
      expect(images(await snapshot())).toEqual({ 'vm-1': 'unreadable', 'vm-2': 'pc-q35-3.1' });
    inventory.connected(client);
    expect(images(await snapshot())).toEqual({ 'vm-1': 'unreadable', 'vm-2': 'pc-q35-3.1' });
  });
});

test('where the images cannot be listed, whether there is one is unknown, and the rest is served', async () => {
  const { snapshot } = await setUp([shutOff(1)], {
    first: (call) => {
      if (call.procedure !== LIST || call.payload.readUInt32BE(4) !== 256) return false;
      call.fail(88, 'access denied');
      return true;
    },
  });
  const seen = await snapshot();
  expect(images(seen)).toEqual({ 'vm-1': undefined });
  expect(seen.domains[0]?.current?.machine).toBe('pc-q35-7.2');
});

test('an image whose read hangs keeps no scrape waiting for long, and does not hide the definition', async () => {
  const { snapshot } = await setUp([shutOff(1, { saved: () => undefined })]);
  const begun = performance.now();
  expect(images(await snapshot())).toEqual({ 'vm-1': undefined });
  expect(performance.now() - begun).toBeLessThan(2_000);
});
