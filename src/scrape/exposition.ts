import type { MetricFamily } from './metric-family.ts';
import type { TextBuffer } from './text-buffer.ts';

/**
 * Writes one family in the Prometheus text format, version 0.0.4. The exporter's own long-lived metrics are
 * rendered by prom-client; for values that live for one scrape it costs several times the CPU and memory.
 */
export function writeFamily(out: TextBuffer, { name, help, type, samples }: MetricFamily): void {
  if (samples.length === 0) return;
  out.write(`# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n`);
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

function escapeHelp(help: string): string {
  return help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function formatValue(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  if (value === Number.NEGATIVE_INFINITY) return '-Inf';
  return String(value);
}
