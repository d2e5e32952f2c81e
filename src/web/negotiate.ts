import type { Format } from '../metrics/exposition.ts';

export const CONTENT_TYPES: Readonly<Record<Format, string>> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

/** Prometheus sends fewer choices than this. */
const MAX_CHOICES = 32;

/**
 * The format that an Accept header prefers; the text format when there is no header or no preference.
 * Prometheus requests OpenMetrics as `application/openmetrics-text;version=1.0.0;escaping=…;q=0.6`.
 */
export function preferredFormat(accept: string | undefined): Format {
  const best = { text: 0, openmetrics: 0 };
  for (const choice of (accept ?? '').split(',').slice(0, MAX_CHOICES)) {
    const [type = '', ...parameters] = choice.split(';').map((part) => part.trim().toLowerCase());
    const format = formatOf(type, parameters);
    if (format !== undefined) best[format] = Math.max(best[format], quality(parameters));
  }
  return best.openmetrics > best.text ? 'openmetrics' : 'text';
}

function formatOf(type: string, parameters: readonly string[]): Format | undefined {
  if (type === 'text/plain' || type === 'text/*' || type === '*/*') return 'text';
  const version = parameters.find((parameter) => parameter.startsWith('version='));
  const known = version === undefined || version === 'version=1.0.0';
  return type === 'application/openmetrics-text' && known ? 'openmetrics' : undefined;
}

function quality(parameters: readonly string[]): number {
  const written = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? '1';
  const value = Number(written);
  return Number.isFinite(value) ? value : 0;
}
