import { counter, type FamilySpec, gauge, type MetricFamily, newFamily } from '../metrics/metric-family.ts';
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

/** One sample for each domain that has the field. */
export function domainFamilies(
  metrics: readonly FieldMetric[],
  domains: readonly DomainSnapshot[],
  fieldsOf: (domain: DomainSnapshot) => StatsFields | undefined,
): MetricFamily[] {
  return metrics.map(({ field, scale, spec }) => {
    const family = newFamily(spec);
    for (const domain of domains) {
      const value = fieldsOf(domain)?.get(field);
      if (value !== undefined) family.samples.push({ labels: { domain: domain.name }, value: value * scale });
    }
    return family;
  });
}

/** One sample for each of a domain's items (disks, interfaces, vCPUs) that has the field; a family at a time. */
export function* itemFamilies(
  metrics: readonly FieldMetric[],
  label: string,
  domains: readonly DomainSnapshot[],
  itemsOf: (domain: DomainSnapshot) => ReadonlyMap<string | number, StatsFields> | undefined,
): Generator<MetricFamily> {
  for (const { field, scale, spec } of metrics) {
    const family = newFamily(spec);
    for (const domain of domains) {
      for (const [item, fields] of itemsOf(domain) ?? []) {
        const value = fields.get(field);
        if (value === undefined) continue;
        family.samples.push({ labels: { domain: domain.name, [label]: String(item) }, value: value * scale });
      }
    }
    yield family;
  }
}
