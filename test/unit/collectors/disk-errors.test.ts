import { describe, expect, test } from '@jest/globals';
import { diskErrorsCollector } from '../../../src/collectors/disk-errors.ts';
import type { DiskEvents } from '../../../src/inventory/disk-events.ts';
import type { DomainSnapshot } from '../../../src/snapshot/snapshot.ts';
import { FIXED_INVENTORY } from './fixed-inventory.ts';
import { measured } from './fixed-measurements.ts';

const [TEMPLATE] = FIXED_INVENTORY.domains.filter(({ name }) => name === 'paused');

interface Paused {
  readonly diskErrors: readonly (readonly [string, number])[];
  readonly pausedBy?: readonly string[];
  readonly changes?: Partial<DomainSnapshot>;
}

/** Series of one domain, by metric, without the domain. */
function series({ diskErrors, pausedBy = [], changes = {} }: Paused): Record<string, unknown[]> {
  if (TEMPLATE === undefined) throw new Error('the fixed inventory has no paused domain');
  const diskEvents: DiskEvents = { ioErrors: new Map(), thresholds: new Map(), pausedBy: new Set(pausedBy) };
  const domain = {
    ...TEMPLATE,
    diskEvents,
    measured: measured([], { diskErrors: new Map(diskErrors) }),
    ...changes,
  };
  return Object.fromEntries(
    [...diskErrorsCollector.collect({ ...FIXED_INVENTORY, domains: [domain] })].map(({ spec, samples }) => [
      spec.name.replace('libvirt_domain_', ''),
      samples.map(({ labels: { domain: _, ...labels }, value }) => [...Object.values(labels), value]),
    ]),
  );
}

describe('errors of disks', () => {
  test('are those that libvirt returns', () => {
    const diskErrors = [
      ['vda', 2],
      ['vdb', 1],
      ['vdc', 0],
      ['vdd', 7],
    ] as const;
    expect(series({ diskErrors }).disk_error).toEqual([
      ['vda', 'no_space', 1],
      ['vdb', 'unspecified', 1],
      ['vdd', 'unspecified', 1],
    ]);
  });

  test('are those of this pause, where its event was seen: QEMU keeps older ones', () => {
    const diskErrors = [
      ['vda', 2],
      ['vdb', 1],
    ] as const;
    expect(series({ diskErrors, pausedBy: ['vdb'] }).disk_error).toEqual([['vdb', 'unspecified', 1]]);
  });
});

describe('failed requests', () => {
  test('are 0 for a disk of a running domain without any', () => {
    expect(series({ diskErrors: [] }).io_errors_total).toEqual([
      ['vda', 'no_space', 0],
      ['vda', 'unspecified', 0],
    ]);
  });

  test('are absent for a shut-off domain without any', () => {
    expect(series({ diskErrors: [], changes: { id: -1 } }).io_errors_total).toEqual([]);
  });
});
