import { PanelBuilder as BarChart } from '@grafana/grafana-foundation-sdk/barchart';
import { PanelBuilder as BarGauge } from '@grafana/grafana-foundation-sdk/bargauge';
import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog';
import {
  AxisPlacement,
  BarGaugeDisplayMode,
  BarGaugeNamePlacement,
  BigValueColorMode,
  BigValueGraphMode,
  BigValueTextMode,
  GraphDrawStyle,
  GraphThresholdsStyleConfigBuilder,
  GraphThresholdsStyleMode,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizOrientation,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import {
  FieldColorBuilder,
  FieldColorModeId,
  type Panel,
  type Threshold,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  type ValueMapping,
} from '@grafana/grafana-foundation-sdk/dashboard';
import {
  PanelBuilder as PieChart,
  PieChartLabels,
  PieChartLegendOptionsBuilder,
  PieChartLegendValues,
} from '@grafana/grafana-foundation-sdk/piechart';
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as Stat } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as StateTimeline } from '@grafana/grafana-foundation-sdk/statetimeline';
import { PanelBuilder as TimeSeries } from '@grafana/grafana-foundation-sdk/timeseries';
import { COLOR } from './mappings.ts';
import { DATASOURCE } from './variables.ts';

export interface Query {
  readonly expr: string;
  readonly legend?: string;
}

/** From a value on, this colour. */
export type Step = readonly [from: number, color: string];

export interface PanelSpec {
  readonly id: number;
  readonly title: string;
  readonly description: string;
  readonly w: number;
  readonly h: number;
  readonly queries: readonly Query[];
}

export interface ValuesSpec extends PanelSpec {
  readonly unit: string;
  readonly base?: string;
  readonly steps?: readonly Step[];
  readonly mappings?: readonly ValueMapping[];
  readonly noValue?: string;
  readonly max?: number;
}

interface CommonBuilder extends Builder<Panel> {
  id(id: number): this;
  title(title: string): this;
  description(description: string): this;
  datasource(datasource: { type: string; uid: string }): this;
  targets(targets: Builder<Dataquery>[]): this;
  gridPos(position: { x: number; y: number; w: number; h: number }): this;
}

interface ValuesBuilder extends CommonBuilder {
  unit(unit: string): this;
  thresholds(thresholds: ThresholdsConfigBuilder): this;
  mappings(mappings: ValueMapping[]): this;
  noValue(text: string): this;
  max(max: number): this;
}

/** Guests are probed beside the scrapes; with this as the least step, $__rate_interval spans four probes. */
const GUEST_INTERVAL = '30s';
const GUEST_RATE = /rate\(libvirt_domain_guest_/;

export type Mode = 'range' | 'instant' | 'table';

function target({ expr, legend }: Query, index: number, mode: Mode): Builder<Dataquery> {
  const query = new DataqueryBuilder()
    .refId(String.fromCharCode(65 + index))
    .expr(expr)
    .datasource(DATASOURCE);
  if (GUEST_RATE.test(expr)) query.interval(GUEST_INTERVAL);
  if (mode === 'range') query.range();
  else query.instant();
  if (mode === 'table') return query.format(PromQueryFormat.Table);
  return query.format(PromQueryFormat.TimeSeries).legendFormat(legend ?? '__auto');
}

export function describe<B extends CommonBuilder>(builder: B, spec: PanelSpec, mode: Mode): B {
  return builder
    .id(spec.id)
    .title(spec.title)
    .description(spec.description)
    .datasource(DATASOURCE)
    .gridPos({ x: 0, y: 0, w: spec.w, h: spec.h })
    .targets(spec.queries.map((query, index) => target(query, index, mode)));
}

export function thresholds(base: string, steps: readonly Step[] = []): ThresholdsConfigBuilder {
  const all: Threshold[] = [
    { value: null, color: base },
    ...steps.map(([value, color]) => ({ value, color })),
  ];
  return new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(all);
}

function values<B extends ValuesBuilder>(builder: B, spec: ValuesSpec, mode: Mode): B {
  describe(builder, spec, mode)
    .unit(spec.unit)
    .thresholds(thresholds(spec.base ?? COLOR.good, spec.steps));
  if (spec.mappings) builder.mappings([...spec.mappings]);
  if (spec.noValue !== undefined) builder.noValue(spec.noValue);
  if (spec.max !== undefined) builder.max(spec.max);
  return builder;
}

export interface StatSpec extends ValuesSpec {
  /** The series' name is what is to be read, its value only chooses the colour. */
  readonly names?: boolean;
  /** A label whose text is to be read, one tile for each series. */
  readonly label?: string;
}

export function stat(spec: StatSpec): Panel {
  const reduce = new ReduceDataOptionsBuilder();
  if (spec.label === undefined) reduce.values(false).calcs(['lastNotNull']).fields('');
  else reduce.values(true).calcs(['lastNotNull']).fields(`/^${spec.label}$/`).limit(8);
  return values(new Stat(), spec, spec.label === undefined ? 'instant' : 'table')
    .reduceOptions(reduce)
    .colorMode(BigValueColorMode.Value)
    .graphMode(BigValueGraphMode.None)
    .textMode(
      spec.names ? BigValueTextMode.Name : spec.label ? BigValueTextMode.Value : BigValueTextMode.Auto,
    )
    .build();
}

export interface TimeSeriesSpec extends ValuesSpec {
  readonly stacked?: boolean;
  readonly bars?: boolean;
  /** Draws the thresholds as dashed lines. */
  readonly lines?: boolean;
  /** Legend at the right with a fixed width, so that panels above each other share one time axis. */
  readonly aligned?: boolean;
  readonly min?: number;
  readonly softMax?: number;
}

function legend(aligned: boolean): VizLegendOptionsBuilder {
  const options = new VizLegendOptionsBuilder()
    .displayMode(LegendDisplayMode.Table)
    .placement(aligned ? LegendPlacement.Right : LegendPlacement.Bottom)
    .showLegend(true)
    .calcs(aligned ? ['lastNotNull', 'max'] : ['mean', 'lastNotNull', 'max'])
    .sortBy('Max')
    .sortDesc(true);
  return aligned ? options.width(420) : options;
}

export function timeseries(spec: TimeSeriesSpec): Panel {
  const panel = values(new TimeSeries(), spec, 'range')
    .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.PaletteClassicByName))
    .legend(legend(spec.aligned ?? false))
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending))
    .drawStyle(spec.bars ? GraphDrawStyle.Bars : GraphDrawStyle.Line)
    .lineWidth(1)
    .fillOpacity(spec.stacked || spec.bars ? 60 : 10)
    .showPoints(VisibilityMode.Never)
    .spanNulls(false)
    .axisPlacement(AxisPlacement.Auto);
  if (spec.aligned) panel.axisWidth(80);
  if (spec.min !== undefined) panel.min(spec.min);
  if (spec.softMax !== undefined) panel.axisSoftMax(spec.softMax);
  if (spec.stacked) panel.stacking(new StackingConfigBuilder().mode(StackingMode.Normal).group('A'));
  if (spec.lines) {
    panel.thresholdsStyle(new GraphThresholdsStyleConfigBuilder().mode(GraphThresholdsStyleMode.Dashed));
  }
  return panel.build();
}

export function barGauge(spec: ValuesSpec): Panel {
  return values(new BarGauge(), spec, 'instant')
    .min(0)
    .reduceOptions(new ReduceDataOptionsBuilder().values(false).calcs(['lastNotNull']).fields(''))
    .orientation(VizOrientation.Horizontal)
    .displayMode(BarGaugeDisplayMode.Basic)
    .namePlacement(BarGaugeNamePlacement.Auto)
    .showUnfilled(true)
    .build();
}

/** One bar for each value of a label, in the label's order. */
export function barChart(spec: ValuesSpec & { readonly label: string }): Panel {
  return values(new BarChart(), spec, 'table')
    .min(0)
    .withTransformation({
      id: 'sortBy',
      options: { fields: {}, sort: [{ field: spec.label, desc: false }] },
    })
    .withTransformation({ id: 'organize', options: { excludeByName: { Time: true } } })
    .xField(spec.label)
    .orientation(VizOrientation.Auto)
    .legend(new VizLegendOptionsBuilder().showLegend(false).displayMode(LegendDisplayMode.List).calcs([]))
    .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.Thresholds))
    .showValue(VisibilityMode.Always)
    .build();
}

export function pie(spec: ValuesSpec): Panel {
  return values(new PieChart(), spec, 'instant')
    .reduceOptions(new ReduceDataOptionsBuilder().values(false).calcs(['lastNotNull']).fields(''))
    .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.PaletteClassicByName))
    .displayLabels([PieChartLabels.Percent])
    .legend(
      new PieChartLegendOptionsBuilder()
        .displayMode(LegendDisplayMode.Table)
        .placement(LegendPlacement.Right)
        .showLegend(true)
        .values([PieChartLegendValues.Value, PieChartLegendValues.Percent])
        .calcs([]),
    )
    .build();
}

export function stateTimeline(spec: ValuesSpec): Panel {
  return values(new StateTimeline(), spec, 'range')
    .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.Thresholds))
    .mergeValues(true)
    .showValue(VisibilityMode.Never)
    .rowHeight(0.8)
    .fillOpacity(70)
    .legend(new VizLegendOptionsBuilder().showLegend(false).displayMode(LegendDisplayMode.List).calcs([]))
    .build();
}
