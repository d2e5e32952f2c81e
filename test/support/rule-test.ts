import { GROUP_ORDER, RULES } from '../unit/rules/rule-files.ts';
import { ruleTestComplaints } from './promtool.ts';

/** Labels, as promtool compares them; `__name__` with the metric. */
type Labels = Readonly<Record<string, string>>;

export interface ExpectedSamples {
  readonly expr: string;
  readonly minute: number;
  readonly samples: readonly { readonly labels: Labels; readonly value: number }[];
}

export interface ExpectedAlerts {
  readonly alertname: string;
  readonly minute: number;
  /** Labels without `alertname`, and all annotations. */
  readonly alerts: readonly { readonly labels: Labels; readonly annotations: Labels }[];
}

export interface RuleTest {
  /** Between samples, and between evaluations. */
  readonly stepSeconds: number;
  /** Name with labels, to values in promtool's notation. */
  readonly series: Readonly<Record<string, string>>;
  readonly samples?: readonly ExpectedSamples[];
  readonly alerts?: readonly ExpectedAlerts[];
}

/** Evaluates all shipped rules on series. Returns promtool's complaints; empty when all is as expected. */
export async function ruleComplaints({
  stepSeconds,
  series,
  samples = [],
  alerts = [],
}: RuleTest): Promise<string> {
  const document = {
    rule_files: [`${RULES}/*.yaml`],
    evaluation_interval: `${stepSeconds}s`,
    group_eval_order: GROUP_ORDER,
    tests: [
      {
        interval: `${stepSeconds}s`,
        input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
        promql_expr_test: samples.map(({ expr, minute, samples: expected }) => ({
          expr,
          eval_time: `${minute * 60}s`,
          exp_samples: expected.map(({ labels, value }) => ({ labels: seriesName(labels), value })),
        })),
        alert_rule_test: alerts.map(({ alertname, minute, alerts: expected }) => ({
          alertname,
          eval_time: `${minute * 60}s`,
          exp_alerts: expected.map(({ labels, annotations }) => ({
            exp_labels: labels,
            exp_annotations: annotations,
          })),
        })),
      },
    ],
  };
  return ruleTestComplaints(document);
}

function seriesName({ __name__ = '', ...labels }: Labels): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}=${JSON.stringify(value)}`);
  return `${__name__}{${pairs.join(', ')}}`;
}
