import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

export const DASHBOARDS = fileURLToPath(new URL('../../grafana/dashboards/', import.meta.url));

const target = z.looseObject({ refId: z.string(), expr: z.string() });
const panel = z.looseObject({
  id: z.number(),
  type: z.string(),
  title: z.string(),
  targets: z.array(target).default([]),
});
const dashboard = z.looseObject({
  title: z.string(),
  panels: z.array(panel.extend({ panels: z.array(panel).default([]) })),
  annotations: z.looseObject({ list: z.array(z.looseObject({ name: z.string(), target })) }),
});

export interface DashboardQuery {
  /** The file's name without its ending. */
  readonly dashboard: string;
  /** The panel's title with the query's refId, or the annotation's name. */
  readonly panel: string;
  readonly kind: 'panel' | 'annotation';
  /** PromQL without variables. */
  readonly query: string;
}

/** What stands in for Grafana's variables; those of the dashboards match everything. */
const DEFAULTS: Readonly<Record<string, string>> = {
  job: '.+',
  instance: '.+',
  domain: '.+',
  __rate_interval: '1m',
  __range: '5m',
  __interval: '15s',
};

export function fillVariables(query: string, values: Readonly<Record<string, string>> = {}): string {
  const all = { ...DEFAULTS, ...values };
  // $1 of label_replace is no variable.
  return query.replaceAll(
    /\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))/g,
    (_, braced?: string, plain?: string) => {
      const name = braced ?? plain ?? '';
      const value = all[name];
      if (value === undefined) throw new Error(`no value is known for the variable ${name} in ${query}`);
      return value;
    },
  );
}

/** Every query of every committed dashboard, folded rows and annotations included, ready for Prometheus. */
export function dashboardQueries(values: Readonly<Record<string, string>> = {}): DashboardQuery[] {
  const files = readdirSync(DASHBOARDS).filter((name) => name.endsWith('.json'));
  return files.sort().flatMap((file) => {
    const name = file.replace(/\.json$/, '');
    const { panels, annotations } = dashboard.parse(JSON.parse(readFileSync(`${DASHBOARDS}${file}`, 'utf8')));
    const all = panels.flatMap((outer) => [outer, ...outer.panels]);
    const shown = all.flatMap(({ title, targets }) =>
      targets.map(({ refId, expr }) => ({ panel: `${title} ${refId}`, kind: 'panel' as const, expr })),
    );
    const marks = annotations.list.map((mark) => ({
      panel: mark.name,
      kind: 'annotation' as const,
      expr: mark.target.expr,
    }));
    return [...shown, ...marks].map(({ panel: title, kind, expr }) => ({
      dashboard: name,
      panel: title,
      kind,
      query: fillVariables(expr, values),
    }));
  });
}
