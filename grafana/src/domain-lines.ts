import { DOMAIN, rate, select } from './queries.ts';

export const half = { w: 12, h: 8, min: 0 } as const;

export interface Line {
  readonly metric: string;
  readonly legend: string;
}

export function gauges(lines: readonly Line[]) {
  return lines.map(({ metric, legend }) => ({
    expr: select(metric, DOMAIN),
    legend: `{{domain}} ${legend}`,
  }));
}

export function rates(lines: readonly Line[]) {
  return lines.map(({ metric, legend }) => ({ expr: rate(metric, DOMAIN), legend: `{{domain}} ${legend}` }));
}
