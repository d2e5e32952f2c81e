import { parser } from '@prometheus-io/lezer-promql';

type Node = ReturnType<typeof parser.parse>['topNode'];

/** A metric that a query selects. */
export interface SelectedMetric {
  readonly name: string;
  /** Labels it is matched on, without `__name__`. */
  readonly labels: string[];
}

/**
 * The metrics that a PromQL query selects, in its order, those named twice twice. Grafana's variables may stand where
 * a duration, a number or a part of a string does. Throws where the query cannot be parsed or a metric is not named.
 */
export function metricsIn(query: string): SelectedMetric[] {
  const text = withoutVariables(query);
  return nodesOf(text, 'VectorSelector').map((selector) => selectedMetric(selector, text));
}

/** The labels that a query groups by, joins on, or takes over from the other side. */
export function groupingLabelsIn(query: string): string[] {
  const text = withoutVariables(query);
  const labels = nodesOf(text, 'GroupingLabels').flatMap((group) => group.getChildren('LabelName'));
  return labels.map(({ from, to }) => text.slice(from, to));
}

const DURATION_VARIABLE = /\$__(?:rate_interval|interval|range)\b|\$\{__(?:rate_interval|interval|range)\}/g;
const VARIABLE = /\$\{\w+(?:\.\w+)?(?::[^}]*)?\}|\$\w+|\[\[\w+(?::\w+)?\]\]/g;
/** A dashboard's own variable in the place of a window, its resolution or an offset. */
const WINDOW_VARIABLE = /(?<before>\[\s*|:\s*(?=[^\]]*\])|\boffset\s+-?)(?:\$\{\w+(?::\w+)?\}|\$\w+)/g;

function withoutVariables(query: string): string {
  return query
    .replace(DURATION_VARIABLE, '5m')
    .replace(WINDOW_VARIABLE, '$<before>5m')
    .replace(VARIABLE, '1');
}

function nodesOf(text: string, name: string): Node[] {
  const found: Node[] = [];
  parser.parse(text).iterate({
    enter: ({ node, type, from }) => {
      if (type.isError) throw new Error(`PromQL cannot be parsed at character ${from}: ${text}`);
      if (type.name === name) found.push(node);
    },
  });
  return found;
}

function selectedMetric(selector: Node, text: string): SelectedMetric {
  const textOf = ({ from, to }: Node): string => text.slice(from, to);
  const identifier = selector.getChild('Identifier');
  let name = identifier === null ? undefined : textOf(identifier);
  const labels: string[] = [];
  for (const matcher of selector.getChild('LabelMatchers')?.getChildren('UnquotedLabelMatcher') ?? []) {
    const label = matcher.getChild('LabelName');
    const value = matcher.getChild('StringLiteral');
    if (label === null || value === null) continue;
    if (textOf(label) !== '__name__') labels.push(textOf(label));
    else if (matcher.getChild('MatchOp')?.getChild('EqlSingle') !== null) name = textOf(value).slice(1, -1);
  }
  if (name === undefined) throw new Error(`no metric is named in ${textOf(selector)}`);
  return { name, labels };
}
