// The rules of Grafana's dashboard-linter, by its names for them.

import * as units from '@grafana/grafana-foundation-sdk/units';
import { describe, expect, test } from '@jest/globals';
import { parser } from '@prometheus-io/lezer-promql';
import { fillVariables } from '../../support/dashboard-queries.ts';
import { metricsIn } from '../../support/promql.ts';
import { committedDashboards, everyPanel, everyQuery } from './committed.ts';

const OURS = { type: 'prometheus', uid: '${datasource}' };
const KNOWN_UNITS: readonly unknown[] = Object.values(units);

function variable(dashboard: ReturnType<typeof committedDashboards>[number], name: string) {
  return dashboard.templating.list.find((each) => each.name === name);
}

/** What each call of a query encloses: the function's name, and its own text. */
function calls(query: string): { name: string; text: string }[] {
  const found: { name: string; text: string }[] = [];
  parser.parse(query).iterate({
    enter: ({ name, node, from, to }) => {
      const identifier = name === 'FunctionCall' ? node.getChild('FunctionIdentifier') : null;
      if (identifier)
        found.push({ name: query.slice(identifier.from, identifier.to), text: query.slice(from, to) });
    },
  });
  return found;
}

const RATES = ['rate', 'irate', 'increase'];

describe.each(committedDashboards().map((dashboard) => [dashboard.file, dashboard] as const))(
  '%s',
  (_, dashboard) => {
    test('template-datasource-rule', () => {
      const sources = dashboard.templating.list.filter(({ type }) => type === 'datasource');
      expect(sources).toMatchObject([{ name: 'datasource', label: 'Data source', query: 'prometheus' }]);
    });

    test('template-job-rule', () => {
      const job = {
        type: 'query',
        label: 'Job',
        datasource: OURS,
        multi: true,
        includeAll: true,
        allValue: '.+',
      };
      expect(variable(dashboard, 'job')).toMatchObject(job);
    });

    test('template-instance-rule', () => {
      const instance = { type: 'query', label: 'Instance', datasource: OURS, multi: true, allValue: '.+' };
      expect(variable(dashboard, 'instance')).toMatchObject(instance);
    });

    test('template-label-promql-rule, and each variable is chained on those before it', () => {
      const before: string[] = [];
      for (const { name, type, definition } of dashboard.templating.list) {
        if (type !== 'query') continue;
        const [, selector = '', label] = /^label_values\((.+), (\w+)\)$/.exec(definition ?? '') ?? [];
        expect(label).toBe(name);
        expect(metricsIn(selector)).toHaveLength(1);
        for (const earlier of before) expect(selector).toContain(`${earlier}=~"$${earlier}"`);
        before.push(name);
      }
    });

    test('template-on-time-change-reload-rule', () => {
      for (const { type, refresh } of dashboard.templating.list)
        if (type === 'query') expect(refresh).toBe(2);
    });

    test('uneditable-dashboard', () => {
      expect(dashboard.editable).toBe(false);
    });
  },
);

/** Names of those that a rule finds fault with. */
function faulty<T extends { name: string }>(all: readonly T[], isFault: (one: T) => boolean): string[] {
  expect(all.length).toBeGreaterThan(0);
  return all.filter(isFault).map(({ name }) => name);
}

function isOurs(datasource: unknown): boolean {
  return JSON.stringify(datasource) === JSON.stringify(OURS);
}

describe('panels', () => {
  test('panel-datasource-rule', () => {
    const elsewhere = faulty(everyPanel(), ({ panel: { datasource, targets } }) =>
      [datasource, ...targets.map((target) => target.datasource)].some((each) => !isOurs(each)),
    );
    expect(elsewhere).toEqual([]);
  });

  test('panel-title-description-rule', () => {
    const wordless = faulty(
      everyPanel(),
      ({ panel }) => panel.title === '' || !panel.description?.endsWith('.'),
    );
    expect(wordless).toEqual([]);
  });

  test('panel-units-rule', () => {
    const unknown = faulty(
      everyPanel(),
      ({ panel }) => !KNOWN_UNITS.includes(panel.fieldConfig?.defaults.unit),
    );
    expect(unknown).toEqual([]);
  });

  test('panel-no-targets-rule', () => {
    expect(faulty(everyPanel(), ({ panel }) => panel.targets.length === 0)).toEqual([]);
  });
});

describe('queries of panels and annotations', () => {
  test('target-promql-rule', () => {
    for (const { expr } of everyQuery()) expect(() => metricsIn(expr)).not.toThrow();
  });

  test.each(['job', 'instance'])('target-%s-rule', (label) => {
    const outOfScope = faulty(everyQuery(), ({ expr }) => {
      const selectors = expr.match(/\b\w+\{[^}]*\}/g) ?? [];
      const scoped = selectors.filter((selector) => selector.includes(`${label}=~"$${label}"`));
      return scoped.length !== metricsIn(expr).length;
    });
    expect(outOfScope).toEqual([]);
  });

  test('target-rate-interval-rule', () => {
    const otherWindow = faulty(everyQuery(), ({ expr }) =>
      [...expr.matchAll(/\b(?:rate|irate|increase)\([^[]*\[([^\]]*)\]/g)].some(
        ([, window]) => window !== '$__rate_interval',
      ),
    );
    expect(otherWindow).toEqual([]);
  });

  test('target-counter-agg-rule', () => {
    const isCounter = ({ name }: { name: string }): boolean => name.endsWith('_total');
    const bare = faulty(everyQuery(), ({ expr }) => {
      const query = fillVariables(expr);
      // The linter looks at panels alone; resets() is of use in marks, and takes counters as they are.
      const rated = calls(query).filter(({ name }) => [...RATES, 'resets'].includes(name));
      const inRates = rated.flatMap(({ text }) => metricsIn(text)).filter(isCounter);
      return inRates.length !== metricsIn(query).filter(isCounter).length;
    });
    expect(bare).toEqual([]);
  });
});
