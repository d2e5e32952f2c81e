import {
  counter,
  type FamilySpec,
  gauge,
  type MetricFamily,
  newFamily,
  type Sample,
} from '../metrics/metric-family.ts';
import type { DomainSnapshot } from '../snapshot/snapshot.ts';
import type { StatsFields } from '../stats/domain-stats.ts';

const KIBIBYTE = 1024;
const NANOSECOND = 1e-9;

/** A family that serves one of libvirt's fields, and the factor that turns the field into base units. */
interface FieldMetric {
  readonly field: string;
  readonly scale: number;
  readonly spec: FamilySpec;
}

/** A gauge in the field's own unit. */
export function fieldGauge(field: string, ...family: Parameters<typeof gauge>): FieldMetric {
  return { field, scale: 1, spec: gauge(...family) };
}

/** A gauge in bytes of a field in KiB. */
export function kibibyteGauge(field: string, ...family: Parameters<typeof gauge>): FieldMetric {
  return { field, scale: KIBIBYTE, spec: gauge(...family) };
}

/** A counter in the field's own unit. */
export function fieldCounter(field: string, ...family: Parameters<typeof counter>): FieldMetric {
  return { field, scale: 1, spec: counter(...family) };
}

/** A counter in bytes of a field in KiB. */
export function kibibyteCounter(field: string, ...family: Parameters<typeof counter>): FieldMetric {
  return { field, scale: KIBIBYTE, spec: counter(...family) };
}

/** A counter in seconds of a field in nanoseconds. */
export function nanosecondCounter(field: string, ...family: Parameters<typeof counter>): FieldMetric {
  return { field, scale: NANOSECOND, spec: counter(...family) };
}

/** What fields are served of, with the labels that all its families share. */
interface Item {
  readonly labels: Sample['labels'];
  readonly fields: StatsFields;
}

/** One sample for each domain that has the field; a family at a time. */
export function domainFamilies(
  metrics: readonly FieldMetric[],
  domains: readonly DomainSnapshot[],
  fieldsOf: (domain: DomainSnapshot) => StatsFields | undefined,
): Generator<MetricFamily> {
  const items: Item[] = [];
  for (const domain of domains) {
    const fields = fieldsOf(domain);
    if (fields !== undefined) items.push({ labels: { domain: domain.name }, fields });
  }
  return families(metrics, items);
}

/** One sample for each of a domain's items (disks, interfaces, vCPUs) that has the field; a family at a time. */
export function itemFamilies(
  metrics: readonly FieldMetric[],
  label: string,
  domains: readonly DomainSnapshot[],
  itemsOf: (domain: DomainSnapshot) => ReadonlyMap<string | number, StatsFields> | undefined,
): Generator<MetricFamily> {
  const items: Item[] = [];
  for (const domain of domains) {
    itemsOf(domain)?.forEach((fields, item) => {
      items.push({ labels: { domain: domain.name, [label]: String(item) }, fields });
    });
  }
  return families(metrics, items);
}

function* families(metrics: readonly FieldMetric[], items: readonly Item[]): Generator<MetricFamily> {
  for (const { field, scale, spec } of metrics) {
    const family = newFamily(spec);
    for (const { labels, fields } of items) {
      const value = fields.get(field);
      if (value !== undefined) family.samples.push({ labels, value: value * scale });
    }
    yield family;
  }
}
