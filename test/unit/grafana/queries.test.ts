import { describe, expect, test } from '@jest/globals';
import { dashboardQueries, fillVariables } from '../../support/dashboard-queries.ts';
import { groupingLabelsIn, metricsIn } from '../../support/promql.ts';
import { servedMetrics, TARGET_LABELS } from '../../support/served-metrics.ts';
import { committedDashboards, everyPanel, everyQuery, labelsMade } from './committed.ts';

/** What Prometheus itself adds. */
const PROMETHEUS: readonly (readonly [string, readonly string[]])[] = [
  ['scrape_duration_seconds', []],
  ['scrape_samples_scraped', []],
  // Labels of the alert's own series come on top.
  ['ALERTS', ['alertname', 'alertstate', 'severity', 'domain']],
  ['ALERTS_FOR_STATE', ['alertname', 'severity', 'domain']],
];

async function known(): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const extra = PROMETHEUS.map(([name, labels]) => [name, new Set([...TARGET_LABELS, ...labels])] as const);
  return new Map([...(await servedMetrics()), ...extra]);
}

test('every metric and every label matched is one that is served', async () => {
  const served = await known();
  const wrong = everyQuery().flatMap(({ name, expr }) =>
    metricsIn(expr).flatMap(({ name: metric, labels }) => {
      const there = served.get(metric);
      if (there === undefined) return [`${name}: ${metric}`];
      // A limit that no fixture sets is declared without its labels.
      if (metric.startsWith('libvirt_domain_block_limit_')) return [];
      return labels.filter((label) => !there.has(label)).map((label) => `${name}: ${metric}{${label}}`);
    }),
  );
  expect(wrong).toEqual([]);
});

test('every label that a query groups by or a legend shows is one of its metrics, or made by it', async () => {
  const served = await known();
  const wrong = everyPanel().flatMap(({ name, panel }) =>
    panel.targets.flatMap(({ expr, legendFormat = '' }) => {
      const there = new Set(labelsMade(expr));
      for (const { name: metric } of metricsIn(expr))
        for (const label of served.get(metric) ?? []) there.add(label);
      if (expr.includes('libvirt_domain_block_limit_'))
        for (const label of ['domain', 'device']) there.add(label);
      const shown = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label ?? '');
      return [...groupingLabelsIn(expr), ...shown]
        .filter((label) => !there.has(label))
        .map((label) => `${name}: ${label}`);
    }),
  );
  expect(wrong).toEqual([]);
});

test('what other jobs have, too, is asked of this exporter’s targets alone', () => {
  const open = everyQuery().filter(({ expr }) => {
    const shared = metricsIn(expr).filter(({ name }) => !/^(?:libvirt_|ALERTS)/.test(name));
    const restricted = expr.match(
      / and on \(job, instance\) (?:last_over_time\()?libvirt_exporter_build_info\{/g,
    );
    return shared.length !== (restricted ?? []).length;
  });
  expect(open.map(({ name }) => name)).toEqual([]);
});

test('every variable’s metric is served', async () => {
  const served = await servedMetrics();
  for (const { templating } of committedDashboards()) {
    for (const { definition } of templating.list) {
      const [, selector] = /^label_values\((.+), \w+\)$/.exec(definition ?? '') ?? [];
      for (const { name } of selector === undefined ? [] : metricsIn(selector))
        expect([...served.keys()]).toContain(name);
    }
  }
});

test('an annotation asks the same in both places where Grafana versions look', () => {
  const marks = committedDashboards().flatMap(({ annotations }) => annotations.list);
  expect(marks.length).toBeGreaterThan(0);
  for (const { expr, target } of marks) expect(target.expr).toBe(expr);
});

describe('queries to run against a Prometheus', () => {
  test('all of them are there, without variables', () => {
    const queries = dashboardQueries();
    expect(queries).toHaveLength(everyQuery().length);
    for (const { query } of queries) expect(query).not.toMatch(/\$\{|\$[A-Za-z_]/);
  });

  test('values can be given', () => {
    const [query] = dashboardQueries({ domain: 'web', __interval: '7m' }).filter(
      ({ kind }) => kind === 'annotation',
    );
    expect(query?.query).toContain('domain=~"web"');
    expect(query?.query).toContain('offset 7m');
  });

  test('a variable without a value is told', () => {
    expect(() => fillVariables('up{a="$b"}')).toThrow('variable b');
  });

  test('the group of label_replace stays', () => {
    expect(fillVariables('label_replace(up, "a", "$1", "job", "(.+)")')).toContain('"$1"');
  });
});
