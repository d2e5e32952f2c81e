/** Metric families as plain data: made fresh for every scrape, so that what is gone leaves no series behind. */
export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: 'gauge' | 'counter';
  readonly samples: Sample[];
}

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export function gauge(name: string, help: string): MetricFamily {
  return { name, help, type: 'gauge', samples: [] };
}

export function counter(name: string, help: string): MetricFamily {
  return { name, help, type: 'counter', samples: [] };
}

/** The `1` of an info metric, or a gauge that answers yes or no. */
export function boolToNumber(condition: boolean): number {
  return condition ? 1 : 0;
}

const MAX_LABEL_CHARACTERS = 256;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const CONTROL_CHARACTERS = /[\u0000-\u001f\u007f-\u009f]/g;

/** Makes text from a configuration fit for a label: bounded, without control characters. */
export function sanitizeLabel(text: string | undefined): string {
  if (text === undefined) return '';
  return text.slice(0, MAX_LABEL_CHARACTERS).replace(CONTROL_CHARACTERS, '\uFFFD');
}
