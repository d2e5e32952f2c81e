import { readdirSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { DASHBOARDS } from '../../support/dashboard-queries.ts';

const datasource = z.object({ type: z.string(), uid: z.string() });
const gridPos = z.object({ x: z.number(), y: z.number(), w: z.number(), h: z.number() });
const link = z.looseObject({ url: z.string(), includeVars: z.boolean(), keepTime: z.boolean() });

const target = z.looseObject({
  refId: z.string(),
  expr: z.string(),
  datasource,
  format: z.string(),
  instant: z.boolean(),
  range: z.boolean(),
  legendFormat: z.string().optional(),
});

const panel = z.looseObject({
  id: z.number(),
  type: z.string(),
  title: z.string(),
  description: z.string().optional(),
  gridPos,
  datasource: datasource.optional(),
  targets: z.array(target).default([]),
  transformations: z.array(z.looseObject({ id: z.string(), options: z.unknown() })).default([]),
  fieldConfig: z
    .looseObject({
      defaults: z.looseObject({ unit: z.string().optional() }),
      overrides: z.array(
        z.looseObject({
          matcher: z.object({ id: z.string(), options: z.unknown() }),
          properties: z.array(z.object({ id: z.string(), value: z.unknown() })),
        }),
      ),
    })
    .optional(),
});

const variable = z.looseObject({
  name: z.string(),
  type: z.string(),
  label: z.string(),
  multi: z.boolean().optional(),
  includeAll: z.boolean().optional(),
  allValue: z.string().optional(),
  refresh: z.number().optional(),
  definition: z.string().optional(),
  query: z.unknown(),
  datasource: datasource.optional(),
});

const dashboard = z.looseObject({
  uid: z.string(),
  title: z.string(),
  description: z.string(),
  editable: z.boolean(),
  schemaVersion: z.number(),
  links: z.array(link),
  templating: z.object({ list: z.array(variable) }),
  annotations: z.object({
    list: z.array(
      z.looseObject({
        name: z.string(),
        expr: z.string(),
        target: z.looseObject({ expr: z.string() }),
        datasource,
      }),
    ),
  }),
  panels: z.array(panel.extend({ collapsed: z.boolean().optional(), panels: z.array(panel).default([]) })),
});

export type CommittedPanel = z.infer<typeof panel>;
export type CommittedDashboard = z.infer<typeof dashboard> & { readonly file: string };

export function committedFiles(): ReadonlyMap<string, string> {
  const names = readdirSync(DASHBOARDS).filter((name) => name.endsWith('.json'));
  return new Map(names.sort().map((name) => [name, readFileSync(`${DASHBOARDS}${name}`, 'utf8')]));
}

export function committedDashboards(): CommittedDashboard[] {
  return [...committedFiles()].map(([file, text]) => ({ ...dashboard.parse(JSON.parse(text)), file }));
}

/** All that show something: rows are left out, what they fold away is not. */
export function panelsOf({ panels }: CommittedDashboard): CommittedPanel[] {
  return panels.flatMap(({ panels: folded, ...outer }) => (outer.type === 'row' ? folded : [outer]));
}

/** Of every panel of every dashboard, with a name to find it by. */
export function everyPanel(): { name: string; panel: CommittedPanel; dashboard: CommittedDashboard }[] {
  return committedDashboards().flatMap((found) =>
    panelsOf(found).map((each) => ({
      name: `${found.file} ${each.id} ${each.title}`,
      panel: each,
      dashboard: found,
    })),
  );
}

/** Queries of panels and annotations as they are committed, with Grafana's variables in them. */
export function everyQuery(): { name: string; expr: string }[] {
  const shown = everyPanel().flatMap(({ name, panel: { targets } }) =>
    targets.map(({ refId, expr }) => ({ name: `${name} ${refId}`, expr })),
  );
  const marks = committedDashboards().flatMap(({ file, annotations }) =>
    annotations.list.map((mark) => ({ name: `${file} ${mark.name}`, expr: mark.target.expr })),
  );
  return [...shown, ...marks];
}

/** Labels that a query itself makes. */
export function labelsMade(expr: string): string[] {
  return [...expr.matchAll(/, "(\w+)", "(?:\$1|[^"$]*)", "\w*", "/g)].map(([, label]) => label ?? '');
}
