import { describe, expect, jest, test } from '@jest/globals';
import type { Snapshot } from '../../src/snapshot/snapshot.ts';
import { oneScrape } from '../support/one-scrape.ts';
import { promtoolCheckMetrics } from '../support/promtool.ts';
import { FIXED_INVENTORY } from '../unit/collectors/fixed-inventory.ts';
import { UPDATED } from '../unit/collectors/fixed-measurements.ts';

// The balloon collector compares the last update with the clock.
jest.spyOn(Date, 'now').mockReturnValue(UPDATED * 1000);

describe('promtool accepts', () => {
  test.each<[string, () => Promise<Snapshot>]>([
    ['the whole scrape', async () => FIXED_INVENTORY],
    ['a host without domains', async () => ({ ...FIXED_INVENTORY, domains: [], stateCounts: new Map() })],
    ['a host without a hypervisor', async () => ({ ...FIXED_INVENTORY, hypervisor: undefined })],
    ['a scrape without libvirt', () => Promise.reject(new Error('no libvirt'))],
  ])('%s', async (_case, takeSnapshot) => {
    expect(await promtoolCheckMetrics(await oneScrape(takeSnapshot))).toBe('');
  });

  test('and refuses a counter without _total', async () => {
    const bad = '# HELP x_seen Seen.\n# TYPE x_seen counter\nx_seen 1\n';
    expect(await promtoolCheckMetrics(bad)).toContain('_total');
    expect(await promtoolCheckMetrics('no metrics')).not.toBe('');
  });
});
