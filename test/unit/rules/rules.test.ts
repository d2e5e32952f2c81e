import { readFile } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';
import { groupingLabelsIn, metricsIn } from '../../support/promql.ts';
import { servedMetrics } from '../../support/served-metrics.ts';
import { isAlert, isRecording, ROOT, RULES, readRuleGroups, readRuleTests, readYaml } from './rule-files.ts';

/** The names that users' own routes and silences rely on. */
const ALERTS = [
  'LibvirtExporterDown',
  'LibvirtDown',
  'LibvirtCollectorFailed',
  'LibvirtDomainUnreadable',
  'LibvirtMachineTypeOutdated',
  'LibvirtMachineTypeDeprecated',
  'LibvirtMachineTypeUnsupported',
  'LibvirtQemuOutdated',
  'LibvirtConfigPending',
  'LibvirtOsDrift',
  'LibvirtGuestOsEndOfLife',
  'LibvirtGuestIowaitHigh',
  'LibvirtGuestSwapThrashing',
  'LibvirtGuestStorageSlow',
  'LibvirtKubernetesNodeSwapEnabled',
  'LibvirtGuestAgentDown',
  'LibvirtBalloonStatsStale',
];
const RUNBOOKS =
  'https://github.com/libvirt-drift-exporter/libvirt-drift-exporter/blob/main/docs/runbooks.md#';
/** Told after an hour, and over soon after the stop and start that they ask for. */
const OF_STARTS = new Set(['LibvirtQemuOutdated', 'LibvirtConfigPending', 'LibvirtOsDrift']);
/** Alerts on a host or the exporter, not on one domain. */
const OF_HOST = new Set(['LibvirtExporterDown', 'LibvirtDown', 'LibvirtCollectorFailed']);

const groups = await readRuleGroups();
const rules = groups.flatMap((group) => group.rules);
const alerts = rules.filter(isAlert);
const recordings = rules.filter(isRecording);
const ruleTests = await readRuleTests();
const served = await servedMetrics();
const recorded = new Set(recordings.map(({ record }) => record));

describe('the rule tests', () => {
  test('evaluate groups in the order of the files, so that thresholds come first', () => {
    const order = groups.map(({ name }) => name).sort();
    for (const { rule_files, group_eval_order } of ruleTests) {
      expect(group_eval_order[0]).toBe('libvirt-thresholds');
      if (rule_files.length === 2) expect([...group_eval_order].sort()).toEqual(order);
    }
  });

  test.each(ALERTS)('%s is seen to fire and not to fire', (alertname) => {
    const cases = ruleTests
      .flatMap((file) => file.tests.flatMap((each) => each.alert_rule_test ?? []))
      .filter((each) => each.alertname === alertname)
      .map(({ exp_alerts }) => exp_alerts.length);
    expect(cases).toContain(0);
    expect(Math.max(...cases)).toBeGreaterThan(0);
  });

  test('see every severity of every alert', () => {
    const seen = new Set(
      ruleTests
        .flatMap((file) => file.tests.flatMap((each) => each.alert_rule_test ?? []))
        .flatMap(({ alertname, exp_alerts }) =>
          exp_alerts.map(({ exp_labels }) => `${alertname} ${exp_labels.severity}`),
        ),
    );
    expect(
      alerts.map(({ alert, labels }) => `${alert} ${labels.severity}`).filter((it) => !seen.has(it)),
    ).toEqual([]);
  });
});

describe('the alerts', () => {
  test('are those of the contract', () => {
    expect([...new Set(alerts.map(({ alert }) => alert))].sort()).toEqual([...ALERTS].sort());
  });

  test.each(ALERTS)('%s keeps the conventions', async (name) => {
    const headings = (await readFile(`${ROOT}docs/runbooks.md`, 'utf8')).split('\n');
    expect(headings.filter((line) => line === `## ${name}`)).toHaveLength(1);
    for (const rule of alerts.filter(({ alert }) => alert === name)) {
      const { summary = '', description = '', runbook_url } = rule.annotations;
      expect(Object.keys(rule.annotations).sort()).toEqual(['description', 'runbook_url', 'summary']);
      expect(Object.keys(rule.labels)).toEqual(['severity']);
      expect(['critical', 'warning', 'info']).toContain(rule.labels.severity);
      expect(summary).toMatch(/^\w[^{}]*[^.{}]\.$/);
      expect(description).toContain('{{ $labels.instance }}');
      if (!OF_HOST.has(name)) expect(description).toContain('{{ $labels.domain }}');
      expect(runbook_url).toBe(`${RUNBOOKS}${name.toLowerCase()}`);
      expect(rule.for).toMatch(/^(?:[5-9]|\d\d)m$|^\dh$/);
      const keep = OF_STARTS.has(name) ? '10m' : rule.for;
      expect(rule.keep_firing_for).toBe(OF_HOST.has(name) ? undefined : keep);
    }
  });
});

describe('thresholds', () => {
  const thresholds =
    groups.find(({ name }) => name === 'libvirt-thresholds')?.rules.filter(isRecording) ?? [];
  const used = rules
    .flatMap(({ expr }) => metricsIn(expr))
    .map(({ name }) => name)
    .filter((name) => name.startsWith('libvirt:threshold:'));

  test('are constants, recorded once, in a group of their own', () => {
    expect(thresholds.length).toBeGreaterThan(5);
    for (const { record, expr } of thresholds) {
      expect(record).toMatch(/^libvirt:threshold:[a-z_]+$/);
      expect(expr).toMatch(/^vector\([\d.]+\)$/);
      expect(recordings.filter((rule) => rule.record === record)).toHaveLength(1);
    }
    expect(groups.find(({ name }) => name === 'libvirt-thresholds')?.rules).toHaveLength(thresholds.length);
  });

  test('are all used, and all there are', () => {
    expect([...new Set(used)].sort()).toEqual(thresholds.map(({ record }) => record).sort());
  });

  test('explain themselves', async () => {
    const lines = (await readFile(`${RULES}/libvirt-recording.yaml`, 'utf8')).split('\n');
    for (const { record } of thresholds) {
      const at = lines.findIndex((line) => line.endsWith(`record: ${record}`));
      expect(lines[at - 1]).toMatch(/^ {6}# /);
    }
  });

  test('stand nowhere else: other rules compare with 0, 1 or 2 only', () => {
    for (const rule of rules.filter(({ expr }) => !expr.startsWith('vector('))) {
      const numbers = rule.expr.matchAll(/[<>=]=?\s*(?:bool\s+)?(\d[\d.]*)/g);
      for (const [, number] of numbers) expect(['0', '1', '2']).toContain(number);
    }
  });
});

test('every join is on the domain of one hypervisor, or on the hypervisor', () => {
  const joins = rules.flatMap(({ expr }) =>
    [...expr.matchAll(/\b(?:on|ignoring)\b[^)]*\)/g)].map(([join]) => join),
  );
  expect([...new Set(joins)].sort()).toEqual([
    'on (job, instance)',
    'on (job, instance, domain)',
    'on (job, instance, domain, device)',
  ]);
});

test('info series are joined through topk, so that two of one domain do not fail the rule for all', () => {
  const joins = rules.flatMap(({ expr }) => expr.match(/group_left \(\w[^)]*\)[\s\S]*?_info\b/g) ?? []);
  expect(joins.length).toBeGreaterThan(4);
  for (const join of joins) expect(join).toContain('topk by (job, instance, domain) (1,');
});

test('no alert looks at an instant alone, which one failed scrape empties', () => {
  const instant = /(?<!:)\b(libvirt_\w+)(?:\{[^}]*\})?(?![\w{[])/g;
  const found = alerts.flatMap(({ expr }) => [...expr.matchAll(instant)].map(([, name]) => name));
  // Joined where it is there, and as it was last where it is not.
  expect([...new Set(found)]).toEqual(['libvirt_domain_machine_type_info']);
});

describe('recording rules', () => {
  test.each([...recorded].filter((name) => !name.startsWith('libvirt:threshold:')))(
    '%s is named level:metric:operation',
    (name) => {
      expect(name).toMatch(/^(?:device|domain|instance|instance_machine):libvirt_[a-z_]+:[a-z0-9_]+$/);
    },
  );
});

describe('what rules query is served', () => {
  const named = rules.map((rule) => [isAlert(rule) ? rule.alert : rule.record, rule] as const);
  // Made by rules: by their `labels`, by label_replace, and those that recorded series have kept.
  const madeByRules = new Set([...recordings.flatMap(({ labels = {} }) => Object.keys(labels)), 'cause']);
  const allLabels = new Set([...served.values()].flatMap((labels) => [...labels]).concat([...madeByRules]));

  test.each(named)('%s', (_name, rule) => {
    for (const { name, labels } of metricsIn(rule.expr)) {
      if (recorded.has(name)) {
        for (const label of labels) expect(allLabels).toContain(label);
        continue;
      }
      expect([...served.keys()]).toContain(name);
      for (const label of labels) expect([...(served.get(name) ?? [])]).toContain(label);
    }
    for (const label of groupingLabelsIn(rule.expr)) expect(allLabels).toContain(label);
    if (!isAlert(rule)) return;
    const words = Object.values(rule.annotations).join(' ');
    for (const [, label] of words.matchAll(/\$labels\.(\w+)/g)) expect(allLabels).toContain(label);
    for (const [name] of words.matchAll(/(?:\w+:)?\blibvirt_\w+(?::\w+)?/g))
      expect([...served.keys(), ...recorded]).toContain(name);
  });
});

test('the example Alertmanager inhibits alerts that exist', async () => {
  const config = JSON.stringify(await readYaml(`${ROOT}deploy/alertmanager/alertmanager.yml`));
  const names = [...config.matchAll(/Libvirt[A-Z]\w+/g)].map(([name]) => name);
  expect(names.length).toBeGreaterThan(5);
  for (const name of names) expect(ALERTS).toContain(name);
});
