import {
  type AnnotationQuery,
  type Dashboard,
  DashboardBuilder,
  DashboardCursorSync,
  type Panel,
  type VariableModel,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { layOut, type Section } from './layout.ts';
import { linksFrom, UID } from './links.ts';

export interface DashboardSpec {
  readonly key: keyof typeof UID;
  readonly title: string;
  readonly description: string;
  readonly from: string;
  readonly variables: readonly VariableModel[];
  readonly annotations?: readonly AnnotationQuery[];
  readonly stats: readonly Panel[];
  readonly open: Section;
  readonly rest: readonly Section[];
}

/** The SDK fills these in by itself; Grafana would hide links and annotations in a menu. */
function withoutPlacement<T extends { placement?: unknown }>(item: T): Omit<T, 'placement'> {
  const { placement: _, ...rest } = item;
  return rest;
}

export function assemble(spec: DashboardSpec): Dashboard {
  const dashboard = new DashboardBuilder(`libvirt / ${spec.title}`)
    .uid(UID[spec.key])
    .description(spec.description)
    .tags(['libvirt', 'libvirt-drift-exporter'])
    .time({ from: spec.from, to: 'now' })
    .refresh('1m')
    .readonly()
    .tooltip(DashboardCursorSync.Crosshair)
    .build();
  return {
    ...dashboard,
    links: linksFrom(spec.key).map(withoutPlacement),
    templating: { list: [...spec.variables] },
    annotations: { list: (spec.annotations ?? []).map(withoutPlacement) },
    panels: layOut(spec.stats, spec.open, spec.rest),
  };
}
