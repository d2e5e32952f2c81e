import { readFile, writeFile } from 'node:fs/promises';
import { describe, expect, jest, test } from '@jest/globals';
import { COLLECTORS } from '../../../src/collectors/all.ts';
import { writeFamily } from '../../../src/metrics/exposition.ts';
import type { Snapshot } from '../../../src/snapshot/snapshot.ts';
import { Exposition } from '../../../testbed/exposition.ts';
import { textOf } from '../metrics/text.ts';
import { FIXED_INVENTORY } from './fixed-inventory.ts';
import { UPDATED } from './fixed-measurements.ts';

const GOLDEN = new URL('../../fixtures/exposition/fixed-inventory.prom', import.meta.url);

function collected(snapshot: Snapshot): string {
  return textOf((out) => {
    for (const family of COLLECTORS.flatMap((collector) => [...collector.collect(snapshot)]))
      writeFamily(out, family);
  });
}

// The clock decides whether a balloon's last update is too old.
jest.spyOn(Date, 'now').mockReturnValue(UPDATED * 1000);

const text = collected(FIXED_INVENTORY);
const exposition = new Exposition(text);

describe('the fixed inventory', () => {
  test('is served as the golden file has it', async () => {
    if (process.env.UPDATE_GOLDEN === '1') await writeFile(GOLDEN, text);
    expect(text).toBe(await readFile(GOLDEN, 'utf8'));
  });

  test('has no series twice', () => {
    const series = text.split('\n').map((line) => line.replace(/ \S+$/, ''));
    const twice = series.filter(
      (line, index) => !line.startsWith('#') && line !== '' && series.indexOf(line) !== index,
    );
    expect(twice).toEqual([]);
  });

  test('has the domain label on every series of a domain, and the name unchanged', () => {
    const names = new Set(FIXED_INVENTORY.domains.map(({ name }) => name));
    const ofDomains = exposition.samples.filter(({ name }) => name.startsWith('libvirt_domain_'));
    expect(ofDomains.length).toBeGreaterThan(100);
    for (const { labels } of ofDomains) expect(names).toContain(labels.domain);
  });

  test.each([
    ['edited-to-what-is-offered', 'pc-q35-2.8', 1],
    ['edited-to-what-is-gone', 'pc-q35-7.2', 0],
  ])('%s runs on %s and starts again: %i', (domain, machine, starts) => {
    expect(exposition.labels('libvirt_domain_machine_type_info', { domain })?.machine).toBe(machine);
    expect(exposition.value('libvirt_domain_machine_type_supported', { domain })).toBe(starts);
  });

  test('is the same a second time', () => {
    expect(collected(FIXED_INVENTORY)).toBe(text);
  });
});
