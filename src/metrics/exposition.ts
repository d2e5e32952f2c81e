import type { MetricFamily } from './metric-family.ts';
import type { TextBuffer } from './text-buffer.ts';

/** Prometheus' text format, version 0.0.4, or OpenMetrics 1.0. */
export type Format = 'text' | 'openmetrics';

/**
 * Writes one family; one without samples is left out. prom-client keeps the exporter's own metrics, but for values that
 * live for one scrape it needs several times the CPU time and memory of this function.
 */
export function writeFamily(out: TextBuffer, { spec, samples }: MetricFamily, format: Format = 'text'): void {
  if (samples.length === 0) return;
  const { name, help } = spec;
  const type = spec.kind === 'counter' ? 'counter' : 'gauge';
  // OpenMetrics names a counter without the suffix that its samples have.
  const title = format === 'openmetrics' && type === 'counter' ? name.replace(/_total$/, '') : name;
  out.write(`# HELP ${title} ${escapeHelp(help, format)}\n# TYPE ${title} ${type}\n`);
  for (const { labels, value } of samples) {
    let separator = '{';
    out.write(name);
    for (const label in labels) {
      out.write(separator);
      out.write(label);
      out.write('="');
      out.writeEscaped(labels[label] ?? '');
      separator = '",';
    }
    out.write(separator === '{' ? ' ' : '"} ');
    out.write(formatValue(value));
    out.write('\n');
  }
}

/** Writes the end of an exposition: OpenMetrics has a marker for it. */
export function writeEnd(out: TextBuffer, format: Format): void {
  if (format === 'openmetrics') out.write('# EOF\n');
}

function escapeHelp(help: string, format: Format): string {
  const escaped = help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
  return format === 'openmetrics' ? escaped.replaceAll('"', '\\"') : escaped;
}

function formatValue(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  if (value === Number.NEGATIVE_INFINITY) return '-Inf';
  return String(value);
}
