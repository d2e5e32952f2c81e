import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { TypedValue } from '../../../src/libvirt/types.ts';
import { isComplete, parseDomainStats } from '../../../src/stats/domain-stats.ts';

const parse = (fields: Readonly<Record<string, TypedValue>>) =>
  parseDomainStats(new Map(Object.entries(fields)));

describe('the fields of a domain are sorted by their subject', () => {
  test('vCPUs by number, with gaps, beside their counts', () => {
    const { vcpus, vcpuCounts } = parse({
      'vcpu.current': 2,
      'vcpu.maximum': 8,
      'vcpu.0.time': 5,
      'vcpu.7.time': 6,
      'vcpu.7.halted': true,
    });
    expect([...vcpuCounts]).toEqual([
      ['current', 2],
      ['maximum', 8],
    ]);
    expect([...vcpus.keys()]).toEqual([0, 7]);
    expect(vcpus.get(7)?.get('halted')).toBe(1);
  });

  test('disks and interfaces by name; one without a name, and the second of a name, are left out', () => {
    const { interfaces, blocks } = parse({
      'net.count': 3,
      'net.0.rx.bytes': 1,
      'net.1.name': 'vnet0',
      'net.1.rx.bytes': 2,
      'net.2.name': 'vnet0',
      'net.2.rx.bytes': 3,
      'block.count': 1,
      'block.0.name': 'sda',
    });
    expect([...interfaces].map(([name, fields]) => [name, fields.get('rx.bytes')])).toEqual([['vnet0', 2]]);
    expect([...blocks.keys()]).toEqual(['sda']);
  });

  test('the images of a disk have its name; the counts are those of the first', () => {
    const { images, blocks } = parse({
      'block.count': 3,
      'block.0.name': 'vda',
      'block.0.path': '/top',
      'block.0.backingIndex': 4,
      'block.0.rd.reqs': 7,
      'block.1.name': 'vda',
      'block.1.path': '/base',
      'block.1.backingIndex': 1,
      'block.2.name': 'sda',
    });
    expect([...images]).toEqual([
      [
        'vda',
        [
          { path: '/top', index: 4 },
          { path: '/base', index: 1 },
        ],
      ],
      ['sda', [{ path: undefined, index: undefined }]],
    ]);
    expect(blocks.get('vda')?.get('rd.reqs')).toBe(7);
  });

  test('values that cannot be counted are left out: text, minus one as unsigned, negative numbers', () => {
    const { balloon, blocks } = parse({
      'balloon.unused': 2n ** 64n - 1n,
      'balloon.usable': 2n ** 60n,
      'balloon.rss': -1,
      'block.0.name': 'vda',
      'block.0.path': '/a',
    });
    expect([...balloon]).toEqual([['usable', 2 ** 60]]);
    expect(blocks.get('vda')?.size).toBe(0);
  });

  test("a part of the guest's memory that is more than all of it costs itself alone", () => {
    const { balloon } = parse({
      'balloon.available': 100,
      'balloon.usable': 101,
      'balloon.unused': 40,
      'balloon.swap_in': 7,
    });
    expect(Object.fromEntries(balloon)).toEqual({ available: 100, unused: 40, swap_in: 7 });
  });

  test('whatever libvirt sends is sorted, within bounds', () => {
    const value = fc.oneof(fc.integer(), fc.bigInt(), fc.string(), fc.boolean(), fc.double());
    const field = fc.oneof(
      fc.string(),
      fc.stringMatching(/^(vcpu|net|block|balloon)\.\d{1,9}\.[a-z.]{0,9}$/),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(field, value)), (fields) => {
        const parsed = parseDomainStats(new Map(fields));
        for (const values of [parsed.balloon, ...parsed.vcpus.values(), ...parsed.blocks.values()]) {
          for (const number of values.values()) expect(Number.isFinite(number) && number >= 0).toBe(true);
        }
      }),
    );
    const many = Object.fromEntries(Array.from({ length: 5_000 }, (_, index) => [`vcpu.${index}.time`, 1]));
    expect(parse(many).vcpus.size).toBe(4096);
  });
});

describe('whether QEMU answered', () => {
  test.each<[string, Readonly<Record<string, TypedValue>>, boolean]>([
    ['the balloon was read', { 'balloon.current': 1, 'balloon.rss': 2 }, true],
    ['only what libvirt knows of the balloon', { 'balloon.current': 1, 'balloon.maximum': 1 }, false],
    ['disks with counts', { 'block.0.name': 'vda', 'block.0.rd.reqs': 0 }, true],
    ['disks without counts', { 'block.0.name': 'vda' }, false],
    ['only an empty drive, and the balloon was read', { 'balloon.rss': 2, 'block.0.name': 'sda' }, true],
    ['nothing that needs it', { 'net.count': 0 }, true],
    ['vCPUs', { 'vcpu.current': 1, 'vcpu.0.time': 5 }, true],
    ['their number and no vCPU', { 'vcpu.current': 1, 'vcpu.maximum': 2 }, false],
  ])('%s', (_what, fields, complete) => {
    expect(isComplete(parse(fields))).toBe(complete);
  });
});
