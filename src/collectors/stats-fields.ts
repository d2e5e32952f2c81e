import { counter, gauge, type MetricFamily } from '../metrics/metric-family.ts';
import type { DomainSnapshot } from '../snapshot/snapshot.ts';
import type { StatsFields } from '../stats/domain-stats.ts';

const KIBIBYTE = 1024;
const NANOSECOND = 1e-9;

/** A metric that shows one of libvirt's fields, and by what the field is multiplied to make it base units. */
export interface FieldMetric {
  readonly field: string;
  readonly scale: number;
  readonly family: () => MetricFamily;
}

/** A gauge named `PREFIX_NAME_bytes` of a field in KiB. */
export function kibibytes(prefix: string, field: string, help: string): FieldMetric {
  return { field, scale: KIBIBYTE, family: () => gauge(`${prefix}_${field}_bytes`, help) };
}

export function gaugeOf(field: string, name: string, help: string, scale = 1): FieldMetric {
  return { field, scale, family: () => gauge(name, help) };
}

export function counterOf(field: string, name: string, help: string, scale = 1): FieldMetric {
  return { field, scale, family: () => counter(name, help) };
}

/** A counter in seconds of a field in nanoseconds. */
export function nanoseconds(field: string, name: string, help: string): FieldMetric {
  return counterOf(field, name, help, NANOSECOND);
}

/** A counter of bytes that libvirt gives in KiB. */
export function kibibyteCounter(field: string, name: string, help: string): FieldMetric {
  return counterOf(field, name, help, KIBIBYTE);
}

/** One sample for each domain that has the field. */
export function domainFamilies(
  metrics: readonly FieldMetric[],
  domains: readonly DomainSnapshot[],
  fieldsOf: (domain: DomainSnapshot) => StatsFields | undefined,
): MetricFamily[] {
  return metrics.map(({ field, scale, family }) => {
    const made = family();
    for (const domain of domains) {
      const value = fieldsOf(domain)?.get(field);
      if (value !== undefined) made.samples.push({ labels: { domain: domain.name }, value: value * scale });
    }
    return made;
  });
}

/** One sample for each of a domain's items (disks, interfaces, vCPUs) that has the field; a family at a time. */
export function* itemFamilies(
  metrics: readonly FieldMetric[],
  label: string,
  domains: readonly DomainSnapshot[],
  itemsOf: (domain: DomainSnapshot) => ReadonlyMap<string | number, StatsFields> | undefined,
): Generator<MetricFamily> {
  for (const { field, scale, family } of metrics) {
    const made = family();
    for (const domain of domains) {
      for (const [item, fields] of itemsOf(domain) ?? []) {
        const value = fields.get(field);
        if (value === undefined) continue;
        made.samples.push({ labels: { domain: domain.name, [label]: String(item) }, value: value * scale });
      }
    }
    yield made;
  }
}
