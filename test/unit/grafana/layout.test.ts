import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { groupingLabelsIn, metricsIn } from '../../support/promql.ts';
import { type CommittedPanel, committedDashboards, everyPanel, panelsOf } from './committed.ts';

type Box = CommittedPanel['gridPos'];

function overlap(a: Box, b: Box): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

function overlaps(panels: readonly CommittedPanel[]): string[] {
  return panels.flatMap((one, index) =>
    panels
      .slice(index + 1)
      .filter((other) => overlap(one.gridPos, other.gridPos))
      .map((other) => `${one.title} and ${other.title}`),
  );
}

/** Grafana marks these as deprecated or has dropped them. */
const GONE = ['graph', 'singlestat', 'table-old', 'grafana-piechart-panel', 'grafana-worldmap-panel'];

describe.each(committedDashboards().map((dashboard) => [dashboard.file, dashboard] as const))(
  '%s',
  (_, dashboard) => {
    const rows = dashboard.panels.filter(({ type }) => type === 'row');
    const ids = [...dashboard.panels, ...rows.flatMap(({ panels }) => panels)].map(({ id }) => id);

    test('ids are unique', () => {
      expect(new Set(ids).size).toBe(ids.length);
      expect(Math.min(...ids)).toBeGreaterThan(0);
    });

    test('titles are unique, so that a query can be named by them', () => {
      const titles = panelsOf(dashboard).map(({ title }) => title);
      expect(titles.filter((title, index) => titles.indexOf(title) !== index)).toEqual([]);
    });

    test('nothing overlaps or leaves the grid', () => {
      expect(overlaps(dashboard.panels)).toEqual([]);
      for (const row of rows) expect(overlaps(row.panels)).toEqual([]);
      for (const { gridPos } of panelsOf(dashboard)) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
    });

    test('stats on top, then one open row, the others folded', () => {
      const first = dashboard.panels.findIndex(({ type }) => type === 'row');
      expect(dashboard.panels.slice(0, first).every(({ type }) => type === 'stat')).toBe(true);
      expect(rows.map(({ collapsed }) => collapsed)).toEqual(rows.map((row) => row !== rows[0]));
      for (const row of rows) expect(row.panels.length > 0).toBe(row.collapsed);
    });

    test('links lead to the three others', () => {
      const others = committedDashboards().filter(({ uid }) => uid !== dashboard.uid);
      expect(dashboard.links.map(({ url }) => url).sort()).toEqual(
        others.map(({ uid }) => `/d/${uid}`).sort(),
      );
      expect(dashboard.links.every((link) => link.includeVars === true && link.keepTime === true)).toBe(true);
    });

    test('no deprecated panels, and the schema of the SDK', () => {
      expect(panelsOf(dashboard).filter(({ type }) => GONE.includes(type))).toEqual([]);
      expect(dashboard.schemaVersion).toBeGreaterThanOrEqual(39);
    });
  },
);

const include = z.object({ include: z.object({ names: z.array(z.string()) }) });
const organize = z.object({ renameByName: z.record(z.string(), z.string()) });
const tables = everyPanel().filter(({ panel }) => panel.type === 'table');

describe.each(tables.map(({ name, panel }) => [name, panel] as const))('%s', (_, panel) => {
  const named = (id: string) => panel.transformations.find((each) => each.id === id)?.options;
  const { names } = include.parse(named('filterFieldsByName')).include;
  const { renameByName } = organize.parse(named('organize'));

  test('asks for instant tables, merged where there are several', () => {
    for (const { format, instant, range } of panel.targets) {
      expect({ format, instant, range }).toEqual({ format: 'table', instant: true, range: false });
    }
    expect(panel.transformations[0]?.id === 'merge').toBe(panel.targets.length > 1);
  });

  test('shows columns that its queries have', () => {
    const labels = panel.targets.flatMap(({ expr }) => groupingLabelsIn(expr));
    const values =
      panel.targets.length === 1 ? ['Value'] : panel.targets.map(({ refId }) => `Value #${refId}`);
    expect(names.filter((name) => !labels.includes(name) && !values.includes(name))).toEqual([]);
  });

  test('every override finds its column', () => {
    const titles = names.map((name) => renameByName[name] ?? name);
    const wanted = panel.fieldConfig?.overrides.map(({ matcher }) => matcher.options) ?? [];
    expect(wanted.filter((title) => !titles.includes(String(title)))).toEqual([]);
  });

  test('rows can be told apart: merged queries share their first labels', () => {
    if (panel.targets.length === 1) return;
    const sets = panel.targets.map(({ expr }) => new Set(groupingLabelsIn(expr)));
    const shared = [...(sets[0] ?? [])].filter((label) => sets.every((set) => set.has(label)));
    expect(shared.length).toBeGreaterThan(0);
    expect(panel.targets.every(({ expr }) => metricsIn(expr).length > 0)).toBe(true);
  });

  test('links of a row use fields that it has', () => {
    const urls = JSON.stringify(panel.fieldConfig?.overrides ?? []);
    const used = [...urls.matchAll(/__data\.fields\.(\w+)/g)].map(([, field]) => field ?? '');
    expect(used.filter((field) => !names.includes(field) || field in renameByName)).toEqual([]);
  });
});
