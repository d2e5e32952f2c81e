import { beforeEach, expect, jest, test } from '@jest/globals';
import type { CallResult } from '../../../src/daemon/call-pool.ts';
import type { DomainStatsRecord } from '../../../src/libvirt/procedures/stats.ts';
import type { DomainRef, TypedValue } from '../../../src/libvirt/types.ts';
import { ShutOffReader } from '../../../src/stats/shut-off-reader.ts';
import { fakeUuid } from '../../support/fake-hypervisor.ts';

const ALL = 4 | 8 | 32;
const domain = (number: number) => ({
  domain: { uuid: fakeUuid(number), name: `vm-${number}`, id: -1 },
  config: {},
});

let calls: string[];
let answer: (domain: DomainRef) => Promise<CallResult<DomainStatsRecord[]>>;
let reader: ShutOffReader;

const returns = (fields: Readonly<Record<string, TypedValue>>, id = -1): void => {
  answer = async (domain) => ({
    status: 'answered',
    value: [{ domain: { ...domain, id }, params: Object.entries(fields) }],
  });
};
const SIZES = {
  'balloon.current': 1024,
  'balloon.maximum': 2048,
  'block.0.name': 'vda',
  'block.0.path': '/a',
  'block.0.capacity': 5,
};

beforeEach(() => {
  calls = [];
  returns(SIZES);
  reader = new ShutOffReader({
    shutOffStats: (domain, groups) => {
      calls.push(`${domain.name} ${groups}`);
      return answer(domain);
    },
  });
});

const read = (...domains: ReturnType<typeof domain>[]): Promise<void> =>
  reader.read(domains, ALL, performance.now() + 5_000);

test('sizes and the maximum are read once for a configuration', async () => {
  const vm = domain(1);
  await read(vm);
  await read(vm);
  expect(calls).toEqual(['vm-1 36']);
  const stats = reader.of(vm.domain.uuid);
  expect([...(stats?.balloon ?? [])]).toEqual([['maximum', 2048]]);
  expect(stats?.blocks.get('vda')?.get('capacity')).toBe(5);
  await read({ ...vm, config: {} });
  expect(calls).toHaveLength(2);
});

test('five minutes later they are read again, but not where an image could not be opened', async () => {
  const [whole, broken] = [domain(1), domain(2)];
  await read(whole);
  returns({ 'block.0.name': 'vda', 'block.0.path': '/missing', 'block.1.name': 'sda' });
  await read(whole, broken);
  calls = [];
  const later = performance.now() + 5 * 60_000 + 1;
  const clock = jest.spyOn(performance, 'now').mockReturnValue(later);
  await read(whole, broken);
  clock.mockRestore();
  expect(calls).toEqual(['vm-1 36']);
});

test('storage that hangs holds one call, until libvirt answers', async () => {
  answer = async () => ({ status: 'unresponsive' });
  for (let scrape = 0; scrape < 3; scrape++) await read(domain(1), domain(2), domain(3));
  expect(new Set(calls)).toEqual(new Set(['vm-1 36']));
  returns(SIZES);
  await read(domain(2));
  expect(calls.at(-1)).toBe('vm-2 36');
});

test('a domain that runs again has no values of before, nor one that is gone', async () => {
  const vm = domain(1);
  await read(vm);
  await read();
  expect(reader.of(vm.domain.uuid)).toBeUndefined();
  returns(SIZES, 7);
  await read(vm);
  expect(reader.of(vm.domain.uuid)).toBeUndefined();
});

test('nothing is read where neither disks nor the balloon are served', async () => {
  await reader.read([domain(1)], 8, performance.now() + 5_000);
  expect(calls).toEqual([]);
});
