import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { z } from 'zod';

export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
export const RULES = `${ROOT}deploy/prometheus/rules`;
export const RULE_TESTS = `${ROOT}test/rules`;

/** Groups, each after those whose series it reads. */
export const GROUP_ORDER: readonly string[] = [
  'libvirt-thresholds',
  'libvirt-guest-recording',
  'libvirt-block-recording',
  'libvirt-limit-recording',
  'libvirt-disk-recording',
  'libvirt-host-recording',
  'libvirt-cause-recording',
  'libvirt-start-recording',
  'libvirt-exporter',
  'libvirt-machine-type',
  'libvirt-drift',
  'libvirt-causes',
  'libvirt-disk',
  'libvirt-guest',
];

const text = z.record(z.string(), z.string());

const ruleFile = z.strictObject({
  groups: z.array(
    z.strictObject({
      name: z.string(),
      rules: z.array(
        z.union([
          z.strictObject({ record: z.string(), expr: z.string(), labels: text.optional() }),
          z.strictObject({
            alert: z.string(),
            expr: z.string(),
            for: z.string(),
            keep_firing_for: z.string().optional(),
            labels: text,
            annotations: text,
          }),
        ]),
      ),
    }),
  ),
});

const testFile = z.object({
  rule_files: z.array(z.string()),
  group_eval_order: z.array(z.string()),
  tests: z.array(
    z.object({
      alert_rule_test: z
        .array(z.object({ alertname: z.string(), exp_alerts: z.array(z.object({ exp_labels: text })) }))
        .optional(),
    }),
  ),
});

export type RuleGroup = z.infer<typeof ruleFile>['groups'][number];
export type Rule = RuleGroup['rules'][number];
export type AlertingRule = Extract<Rule, { alert: string }>;
export type RecordingRule = Extract<Rule, { record: string }>;
export type RuleTestFile = z.infer<typeof testFile>;

/** The paths of a folder's YAML files. */
export async function yamlFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder);
  return names.filter((name) => name.endsWith('.yaml')).map((name) => `${folder}/${name}`);
}

export async function readRuleGroups(): Promise<RuleGroup[]> {
  const files = await Promise.all((await yamlFiles(RULES)).map(readYaml));
  return files.flatMap((file) => ruleFile.parse(file).groups);
}

export async function readRuleTests(): Promise<RuleTestFile[]> {
  const files = await Promise.all((await yamlFiles(RULE_TESTS)).map(readYaml));
  return files.map((file) => testFile.parse(file));
}

export async function readYaml(path: string): Promise<unknown> {
  return parse(await readFile(path, 'utf8'));
}

export function isAlert(rule: Rule): rule is AlertingRule {
  return 'alert' in rule;
}

export function isRecording(rule: Rule): rule is RecordingRule {
  return 'record' in rule;
}
