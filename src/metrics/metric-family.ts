/** One metric family as the code that serves it declares it; docs/metrics.md is generated from these. */
export interface FamilySpec {
  readonly name: string;
  /** Prometheus shows this text alone, so it names its subject and unit. */
  readonly help: string;
  /**
   * `info`: always 1, the labels are the information. `stateset`: one series for each state, 1 for the current one.
   * Prometheus' text format knows both as gauges.
   */
  readonly kind: 'gauge' | 'counter' | 'info' | 'stateset';
  /** Labels of every series, in the order they are served. */
  readonly labels: readonly string[];
  /** The values of labels that have a fixed set of them. */
  readonly values?: Readonly<Record<string, readonly string[]>>;
  /** Least version, privilege or setting that the samples need, in Markdown; left out when there is none. */
  readonly needs?: string;
}

type Details = Pick<FamilySpec, 'values' | 'needs'>;

/** A family with the samples of one scrape: made fresh each time, so that what is gone leaves no series behind. */
export interface MetricFamily {
  readonly spec: FamilySpec;
  readonly samples: Sample[];
}

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export function gauge(name: string, help: string, labels: readonly string[], details?: Details): FamilySpec {
  return { name, help, kind: 'gauge', labels, ...details };
}

export function counter(
  name: string,
  help: string,
  labels: readonly string[],
  details?: Details,
): FamilySpec {
  return { name, help, kind: 'counter', labels, ...details };
}

export function info(name: string, help: string, labels: readonly string[], details?: Details): FamilySpec {
  return { name, help, kind: 'info', labels, ...details };
}

export function stateSet(
  name: string,
  help: string,
  labels: readonly string[],
  details?: Details,
): FamilySpec {
  return { name, help, kind: 'stateset', labels, ...details };
}

/** The family without samples, to add those of one scrape to. */
export function newFamily(spec: FamilySpec): MetricFamily {
  return { spec, samples: [] };
}

/** Adds a sample; an unknown value adds none. */
export function addSample(
  { samples }: MetricFamily,
  labels: Sample['labels'],
  value: number | undefined,
): void {
  if (value !== undefined) samples.push({ labels, value });
}

/** Adds 1 for yes and 0 for no; an unknown answer adds nothing. */
export function addBoolean(
  family: MetricFamily,
  labels: Sample['labels'],
  condition: boolean | undefined,
): void {
  addSample(family, labels, condition === undefined ? undefined : Number(condition));
}

const MAX_LABEL_CHARACTERS = 256;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is replaced
const CONTROL_CHARACTERS = /[\u0000-\u001f\u007f-\u009f]/g;

/** Makes text from a configuration fit for a label: bounded, without control characters. */
export function sanitizeLabel(text: string | undefined): string {
  if (text === undefined) return '';
  return text.slice(0, MAX_LABEL_CHARACTERS).replace(CONTROL_CHARACTERS, '\uFFFD');
}
