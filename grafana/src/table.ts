import {
  FieldTextAlignment,
  TableCellBackgroundDisplayMode,
  TableCellDisplayMode,
  TableCellHeight,
  type TableCellOptions,
  TableSortByFieldStateBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import type { DynamicConfigValue, Panel, ValueMapping } from '@grafana/grafana-foundation-sdk/dashboard';
import { PanelBuilder as Table } from '@grafana/grafana-foundation-sdk/table';
import { DOMAIN_OF_ROW, HYPERVISOR_OF_ROW } from './links.ts';
import { COLOR } from './mappings.ts';
import { describe, type PanelSpec, type Step, thresholds } from './panels.ts';

export interface Column {
  /** A label's name, or the refId (A, B, …) of the query whose value it is. */
  readonly from: string;
  /** Left out for `instance` and `domain`, whose names the links rely on. */
  readonly title?: string;
  readonly unit?: string;
  readonly mappings?: readonly ValueMapping[];
  readonly steps?: readonly Step[];
  readonly width?: number;
  readonly cell?: 'text' | 'background' | 'gauge';
  readonly max?: number;
}

export interface TableSpec extends PanelSpec {
  readonly columns: readonly Column[];
  readonly sortBy?: { readonly title: string; readonly desc: boolean };
  readonly noValue?: string;
}

const CELLS: Record<NonNullable<Column['cell']>, TableCellOptions> = {
  text: { type: TableCellDisplayMode.ColorText },
  background: { type: TableCellDisplayMode.ColorBackground, mode: TableCellBackgroundDisplayMode.Basic },
  gauge: { type: TableCellDisplayMode.Gauge },
};

/** Links need the row's instance, which the dashboard of one domain does not show. */
function link(column: Column, columns: readonly Column[]): DynamicConfigValue | undefined {
  if (!columns.some(({ from }) => from === 'instance')) return undefined;
  if (column.from === 'domain') return { id: 'links', value: [DOMAIN_OF_ROW] };
  return column.from === 'instance' ? { id: 'links', value: [HYPERVISOR_OF_ROW] } : undefined;
}

function fieldName(column: Column, queries: number): string {
  if (!/^[A-Z]$/.test(column.from)) return column.from;
  // Grafana adds the refId to the name only where there are several queries.
  return queries === 1 ? 'Value' : `Value #${column.from}`;
}

function properties(column: Column): DynamicConfigValue[] {
  const found: DynamicConfigValue[] = [];
  const add = (id: string, value: unknown): void => {
    if (value !== undefined) found.push({ id, value });
  };
  add('unit', column.unit);
  add('mappings', column.mappings);
  add('custom.width', column.width);
  add('max', column.max);
  if (column.max !== undefined) add('min', 0);
  if (column.mappings || column.steps) add('custom.cellOptions', CELLS[column.cell ?? 'text']);
  if (column.steps) add('thresholds', thresholds(COLOR.unknown, column.steps).build());
  return found;
}

/**
 * One row for all queries that agree on the labels they share, and of all their fields the given columns in the
 * given order.
 */
export function table(spec: TableSpec): Panel {
  const names = spec.columns.map((column) => fieldName(column, spec.queries.length));
  const titled = spec.columns.map(
    (column, index) => [names[index] ?? '', column.title ?? column.from] as const,
  );
  const panel = describe(new Table(), spec, 'table')
    // Text, or a version such as 10.0 would be read as a number and shown as 10; numbers name their unit.
    .unit('string')
    .thresholds(thresholds(COLOR.unknown))
    .align(FieldTextAlignment.Auto)
    .filterable(true)
    .cellHeight(TableCellHeight.Sm)
    .showHeader(true);
  if (spec.noValue !== undefined) panel.noValue(spec.noValue);
  if (spec.queries.length > 1) panel.withTransformation({ id: 'merge', options: {} });
  panel.withTransformation({ id: 'filterFieldsByName', options: { include: { names } } }).withTransformation({
    id: 'organize',
    options: {
      excludeByName: {},
      indexByName: Object.fromEntries(names.map((name, index) => [name, index])),
      renameByName: Object.fromEntries(titled.filter(([name, title]) => name !== title)),
    },
  });
  for (const column of spec.columns) {
    const found = properties(column);
    const toRow = link(column, spec.columns);
    if (toRow) found.push(toRow);
    if (found.length > 0) panel.overrideByName(column.title ?? column.from, found);
  }
  if (spec.sortBy) {
    panel.sortBy([new TableSortByFieldStateBuilder().displayName(spec.sortBy.title).desc(spec.sortBy.desc)]);
  }
  return panel.build();
}
