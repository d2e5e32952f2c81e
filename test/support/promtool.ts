import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';

export interface ToolResult {
  readonly ok: boolean;
  /** What it printed, stdout first; the failure itself when it printed nothing on stderr. */
  readonly output: string;
}

/** Runs promtool with these arguments. */
export function promtool(args: readonly string[], input = ''): Promise<ToolResult> {
  return runTool('promtool', 'prometheus', args, input);
}

/** Runs amtool with these arguments. */
export function amtool(args: readonly string[]): Promise<ToolResult> {
  return runTool('amtool', 'prometheus-alertmanager', args);
}

function runTool(
  program: string,
  debianPackage: string,
  args: readonly string[],
  input = '',
): Promise<ToolResult> {
  return new Promise((resolve, reject) => {
    const child = execFile(program, [...args], (error, stdout, stderr) => {
      if (error !== null && 'code' in error && error.code === 'ENOENT') {
        reject(
          new Error(
            `${program} is missing; it is in the Debian package ${debianPackage}: apt-get install ${debianPackage}`,
          ),
        );
        return;
      }
      const failure = error === null ? '' : error.message;
      resolve({ ok: error === null, output: `${stdout}${stderr === '' ? failure : stderr}` });
    });
    child.stdin?.on('error', () => undefined); // the callback reports it
    child.stdin?.end(input);
  });
}

/** What `promtool check metrics` says of an exposition; an empty string when it has no complaint. */
export async function promtoolCheckMetrics(exposition: string): Promise<string> {
  return (await promtool(['check', 'metrics'], exposition)).output;
}

/** What a query gives at a minute of the series. */
export interface ExpectedAnswer {
  readonly expr: string;
  readonly minute: number;
  readonly samples: readonly { readonly labels: string; readonly value: number }[];
}

/**
 * Evaluates queries on series (with their labels, to values: one a minute, in promtool's notation) and says what
 * promtool has against the answers expected; empty when all are as expected.
 */
export async function promqlComplaints(
  series: Readonly<Record<string, string>>,
  answers: readonly ExpectedAnswer[],
): Promise<string> {
  const document = {
    rule_files: [],
    evaluation_interval: '1m',
    tests: [
      {
        interval: '1m',
        input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
        promql_expr_test: answers.map(({ expr, minute, samples }) => ({
          expr,
          eval_time: `${minute}m`,
          exp_samples: samples,
        })),
      },
    ],
  };
  return ruleTestComplaints(document);
}

/** Runs `promtool test rules` on a test document. Returns promtool's complaints; empty when all is as expected. */
export async function ruleTestComplaints(document: object): Promise<string> {
  const folder = await mkdtemp(`${tmpdir()}/rules-`);
  try {
    await writeFile(`${folder}/test.yaml`, JSON.stringify(document));
    const { ok, output } = await promtool(['test', 'rules', `${folder}/test.yaml`]);
    return ok ? '' : output;
  } finally {
    await rm(folder, { recursive: true });
  }
}
