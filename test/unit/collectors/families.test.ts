import { describe, expect, jest, test } from '@jest/globals';
import { COLLECTORS } from '../../../src/collectors/all.ts';
import { BUILD_INFO, buildInfo } from '../../../src/collectors/build-info.ts';
import type { FamilySpec, MetricFamily } from '../../../src/metrics/metric-family.ts';
import { SCRAPE_FAMILIES } from '../../../src/metrics/scraper.ts';
import { createSelfMetrics, SELF_FAMILIES } from '../../../src/metrics/self-metrics.ts';
import { Exposition } from '../../../testbed/exposition.ts';
import { oneScrape } from '../../support/one-scrape.ts';
import { FIXED_INVENTORY } from './fixed-inventory.ts';
import { UPDATED } from './fixed-measurements.ts';

jest.spyOn(Date, 'now').mockReturnValue(UPDATED * 1000);

const ALL: readonly FamilySpec[] = [
  ...SCRAPE_FAMILIES,
  ...COLLECTORS.flatMap(({ families }) => families),
  BUILD_INFO,
  ...SELF_FAMILIES,
];

function expectDeclared(families: readonly MetricFamily[], declared: readonly FamilySpec[]): void {
  expect(families.map(({ spec }) => spec)).toEqual(declared);
  for (const { spec, samples } of families) {
    for (const { labels } of samples) {
      expect([spec.name, Object.keys(labels)]).toEqual([spec.name, spec.labels]);
      for (const [label, values] of Object.entries(spec.values ?? {}))
        expect(values).toContain(labels[label]);
    }
  }
}

describe('what is served is what is declared, in its order, with its labels and their values', () => {
  test.each(COLLECTORS.map((collector) => [collector.name, collector] as const))('%s', (_name, collector) => {
    expectDeclared([...collector.collect(FIXED_INVENTORY)], collector.families);
  });

  test('the exporter itself', async () => {
    const self = createSelfMetrics();
    self.countCall('CONNECT_GET_VERSION');
    expectDeclared(await self.families(), SELF_FAMILIES);
    expectDeclared([buildInfo({ version: '1.2.3', revision: '' })], [BUILD_INFO]);
  });

  test('a whole scrape', async () => {
    const served = new Exposition(await oneScrape(async () => FIXED_INVENTORY));
    const labelsOf = new Map(ALL.map(({ name, labels }) => [name, labels]));
    expect(served.samples.length).toBeGreaterThan(1_000);
    for (const { name, labels } of served.samples)
      expect([name, Object.keys(labels)]).toEqual([name, labelsOf.get(name)]);
  });
});

describe('every family', () => {
  test('is declared once', () => {
    const names = ALL.map(({ name }) => name);
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
  });

  test.each(ALL.map((spec) => [spec.name, spec] as const))(
    '%s has a HELP that is read alone',
    (name, spec) => {
      const { help, kind } = spec;
      expect(help).toMatch(/^[A-Z0-9].*\.$/);
      expect(help).not.toMatch(/^(?:It|Of it|The same)\b/);
      if (/_(?:seconds|bytes)(?:_total|_per_second)?$/.test(name)) {
        expect(help).toContain(/_seconds/.test(name) ? 'seconds' : 'bytes');
      }
      expect(name.endsWith('_info')).toBe(kind === 'info');
      expect(name.endsWith('_total')).toBe(kind === 'counter');
      if (kind === 'info') expect(help).toContain('always 1');
      if (kind === 'stateset') expect(help).toMatch(/: 1 for the state that .*, 0 for the others/);
      if (/^Whether /.test(help)) expect(help).toContain(': 1 yes, 0 no');
    },
  );

  test.each(
    COLLECTORS.filter(({ name }) => /^guest-(?!agent)/.test(name)).flatMap(({ families }) =>
      families.map(({ name, help }) => [name, help] as const),
    ),
  )('%s says that its values are cached', (_name, help) => {
    expect(help).toMatch(/; cached from the last guest probe\.$/);
  });
});
