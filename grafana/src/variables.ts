import {
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  type VariableModel,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';

export const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };

function labelValues(name: string, label: string, metric: string): QueryVariableBuilder {
  const definition = `label_values(${metric}, ${name})`;
  return new QueryVariableBuilder(name)
    .label(label)
    .datasource(DATASOURCE)
    .query({ query: definition, refId: `variable-${name}`, qryType: 5 })
    .definition(definition)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.NaturalAsc)
    .multi(true);
}

function datasource(): VariableModel {
  return new DatasourceVariableBuilder('datasource').label('Data source').type('prometheus').build();
}

function forAll(variable: QueryVariableBuilder): VariableModel {
  return variable
    .includeAll(true)
    .allValue('.+')
    .current({ selected: true, text: 'All', value: '$__all' })
    .build();
}

/** Data source, job and instance: on every dashboard. */
export function commonVariables(): readonly VariableModel[] {
  return [
    datasource(),
    forAll(labelValues('job', 'Job', 'libvirt_up')),
    forAll(labelValues('instance', 'Instance', 'libvirt_up{job=~"$job"}')),
  ];
}

/** Without "All": the dashboard explains one domain, or compares a few. */
export function domainVariable(): VariableModel {
  return labelValues('domain', 'Domain', 'libvirt_domain_info{job=~"$job", instance=~"$instance"}').build();
}
