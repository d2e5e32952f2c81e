import { beforeEach, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { domainRunIds } from '../../../src/daemon/domain-run-id.ts';
import { UnresponsiveDomains } from '../../../src/daemon/unresponsive-domains.ts';
import type { DomainRef } from '../../../src/libvirt/types.ts';
import { fakeUuid } from '../../support/fake-hypervisor.ts';

const WARN = 40;
const INFO = 30;
const domain = (number: number, id = number): DomainRef => ({
  name: `vm-${number}`,
  uuid: fakeUuid(number),
  id,
});

let log: Record<string, unknown>[];
let unresponsive: UnresponsiveDomains;

beforeEach(() => {
  log = [];
  unresponsive = new UnresponsiveDomains(
    pino({ base: null }, { write: (line: string) => log.push(JSON.parse(line)) }),
  );
});

test('a domain is logged once when its QEMU stops responding and once when it responds again', () => {
  for (let call = 0; call < 3; call++) unresponsive.add(domain(1), 'monitor');
  expect(unresponsive.has(domain(1))).toBe(true);
  expect(log).toMatchObject([{ level: WARN, domain: 'vm-1', cause: 'monitor' }]);
  for (let call = 0; call < 3; call++) unresponsive.remove(domain(1), 'monitor');
  expect(unresponsive.has(domain(1))).toBe(false);
  expect(log).toMatchObject([{ level: WARN }, { level: INFO, domain: 'vm-1' }]);
});

test('one with two causes responds again when both are gone, and is logged as one', () => {
  unresponsive.add(domain(1), 'stopped');
  unresponsive.add(domain(1), 'monitor');
  unresponsive.remove(domain(1), 'stopped');
  expect(unresponsive.has(domain(1))).toBe(true);
  unresponsive.remove(domain(1), 'monitor');
  expect(unresponsive.has(domain(1))).toBe(false);
  expect(log).toMatchObject([
    { level: WARN, cause: 'stopped' },
    { level: INFO, domain: 'vm-1' },
  ]);
});

test('a cause that was not reported takes none away', () => {
  unresponsive.add(domain(1), 'monitor');
  unresponsive.remove(domain(1), 'stopped');
  unresponsive.remove(domain(2), 'monitor');
  expect(unresponsive.has(domain(1))).toBe(true);
  expect(log).toHaveLength(1);
});

test('another run of the same domain responds until something else is known', () => {
  unresponsive.add(domain(1, 7), 'monitor');
  expect(unresponsive.has(domain(1, 8))).toBe(false);
});

test('runs that are over are forgotten without a word, the others stay', () => {
  for (const number of [1, 2, 3]) unresponsive.add(domain(number), 'monitor');
  unresponsive.keepOnly(domainRunIds([domain(2), domain(3, 9)]));
  expect([1, 2, 3].map((number) => unresponsive.has(domain(number)))).toEqual([false, true, false]);
  expect(unresponsive.size).toBe(1);
  expect(log.map(({ level }) => level)).toEqual([WARN, WARN, WARN]);
});

test('a domain that was renamed during its run is the same one', () => {
  const renamed = { ...domain(1), name: 'renamed' };
  unresponsive.add(domain(1), 'monitor');
  expect(unresponsive.has(renamed)).toBe(true);
  unresponsive.remove(renamed, 'monitor');
  expect(log).toMatchObject([{ domain: 'vm-1' }, { domain: 'renamed' }]);
});

test('nothing is known after clear, and a domain that still does not respond is logged anew', () => {
  unresponsive.add(domain(1), 'monitor');
  unresponsive.clear();
  expect(unresponsive.size).toBe(0);
  unresponsive.remove(domain(1), 'monitor');
  unresponsive.add(domain(1), 'monitor');
  expect(log.map(({ level }) => level)).toEqual([WARN, WARN]);
});
