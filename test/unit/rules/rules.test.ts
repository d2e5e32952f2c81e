import { readFile } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';
import { ALERT_TEXTS } from '../../promtool/cause-texts.ts';
import { COMBINED, FIRING, HEALTHY } from '../../promtool/slow-situations.ts';
import { groupingLabelsIn, metricsIn } from '../../support/promql.ts';
import { servedMetrics } from '../../support/served-metrics.ts';
import {
  GROUP_ORDER,
  isAlert,
  isRecording,
  ROOT,
  RULES,
  readRuleGroups,
  readRuleTests,
  readYaml,
} from './rule-files.ts';

/** The names that users' own routes and silences rely on. */
const ALERTS = [
  'LibvirtExporterDown',
  'LibvirtDown',
  'LibvirtCollectorFailed',
  'LibvirtInstanceNotUnique',
  'LibvirtDomainUnreadable',
  'LibvirtDomainWillNotStart',
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
  'LibvirtDomainDiskThrottled',
  'LibvirtDomainStorageHung',
  'LibvirtDomainCpuStarved',
  'LibvirtDomainCpuThrottled',
  'LibvirtDomainSwappedOut',
  'LibvirtGuestMemorySqueezed',
  'LibvirtDomainBlockJobSlow',
  'LibvirtGuestFrozen',
  'LibvirtGuestSlow',
  'LibvirtDomainPausedOnError',
  'LibvirtDomainDiskError',
  'LibvirtSnapshotOld',
  'LibvirtKubernetesNodeSwapEnabled',
  'LibvirtGuestAgentDown',
  'LibvirtBalloonStatsStale',
  'LibvirtDomainPacketsDropped',
  'LibvirtGuestFilesystemAlmostFull',
];
/** The alert of each cause of slowness. */
const CAUSES: ReadonlyMap<string, string> = new Map([
  ['swap', 'LibvirtGuestSwapThrashing'],
  ['disk_throttled', 'LibvirtDomainDiskThrottled'],
  ['storage_slow', 'LibvirtGuestStorageSlow'],
  ['storage_hung', 'LibvirtDomainStorageHung'],
  ['cpu_starved', 'LibvirtDomainCpuStarved'],
  ['cpu_throttled', 'LibvirtDomainCpuThrottled'],
  ['host_swap', 'LibvirtDomainSwappedOut'],
  ['balloon', 'LibvirtGuestMemorySqueezed'],
  ['block_job', 'LibvirtDomainBlockJobSlow'],
  ['backup', 'LibvirtGuestFrozen'],
  ['iowait_unexplained', 'LibvirtGuestIowaitHigh'],
]);
/** Series that Prometheus makes itself, with the labels that the rules read. */
const PROMETHEUS_OWN: ReadonlyMap<string, readonly string[]> = new Map([
  ['ALERTS', ['alertname', 'alertstate', 'cause', 'severity', 'job', 'instance', 'domain']],
]);
/** Tried in test/promtool, where series are made from what happens in a guest. */
const OF_SLOWNESS = new Set([...CAUSES.values(), 'LibvirtGuestSlow']);
const RUNBOOKS =
  'https://github.com/libvirt-drift-exporter/libvirt-drift-exporter/blob/main/docs/runbooks.md#';
/** Reported after an hour, and over soon after the stop and start that they advise. */
const OF_STARTS = new Set(['LibvirtQemuOutdated', 'LibvirtConfigPending', 'LibvirtOsDrift']);
/** Alerts on a host or the exporter, not on one domain. */
const OF_HOST = new Set([
  'LibvirtExporterDown',
  'LibvirtDown',
  'LibvirtCollectorFailed',
  'LibvirtInstanceNotUnique',
]);

const groups = await readRuleGroups();
const rules = groups.flatMap((group) => group.rules);
const alerts = rules.filter(isAlert);
const recordings = rules.filter(isRecording);
const ruleTests = await readRuleTests();
const served = await servedMetrics();
const recorded = new Set(recordings.map(({ record }) => record));

describe('the rule tests', () => {
  test('evaluate all groups in the order of their dependencies, so that thresholds come first', () => {
    expect([...GROUP_ORDER].sort()).toEqual(groups.map(({ name }) => name).sort());
    for (const { rule_files, group_eval_order } of ruleTests) {
      expect(rule_files).toEqual(['../../deploy/prometheus/rules/*.yaml']);
      expect(group_eval_order).toEqual(GROUP_ORDER);
    }
  });

  test.each(ALERTS.filter((name) => !OF_SLOWNESS.has(name)))(
    '%s is seen to fire and not to fire',
    (alertname) => {
      const cases = ruleTests
        .flatMap((file) => file.tests.flatMap((each) => each.alert_rule_test ?? []))
        .filter((each) => each.alertname === alertname)
        .map(({ exp_alerts }) => exp_alerts.length);
      expect(cases).toContain(0);
      expect(Math.max(...cases)).toBeGreaterThan(0);
    },
  );

  test.each([...CAUSES])(
    'see the cause %s recorded, chosen among several, and %s word for word',
    (cause, alertname) => {
      const recordedIn = (situations: readonly { readonly cause: string | undefined }[]): number =>
        situations.filter((each) => each.cause === cause).length;
      expect(recordedIn(FIRING)).toBeGreaterThan(0);
      expect(ALERT_TEXTS.filter((text) => text.alertname === alertname && text.cause === cause)).not.toEqual(
        [],
      );
    },
  );

  test('see more than twenty healthy guests, and more than ten with several faults', () => {
    expect(HEALTHY.filter(({ cause }) => cause === undefined).length).toBeGreaterThan(20);
    expect(COMBINED.length).toBeGreaterThan(10);
  });

  test('see every severity of every alert', () => {
    const seen = new Set(
      ruleTests
        .flatMap((file) => file.tests.flatMap((each) => each.alert_rule_test ?? []))
        .flatMap(({ alertname, exp_alerts }) =>
          exp_alerts.map(({ exp_labels }) => `${alertname} ${exp_labels.severity}`),
        )
        .concat(ALERT_TEXTS.map(({ alertname, severity }) => `${alertname} ${severity}`))
        .concat('LibvirtGuestSlow warning'), // test/promtool/slow-alerts.test.ts
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
      expect(Object.keys(rule.labels).filter((label) => label !== 'problem')).toEqual(['severity']);
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
    .flatMap((rule) => [rule.expr, ...(isAlert(rule) ? Object.values(rule.annotations) : [])])
    .flatMap((text) => text.match(/\blibvirt:threshold:\w+/g) ?? []);

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
    const lines = (await readFile(`${RULES}/libvirt-thresholds.yaml`, 'utf8')).split('\n');
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
    'on (job, instance, domain, device, operation)',
    'on (job, instance, domain, mountpoint, fstype)',
    'on (job, instance, domain, throttle_group)',
  ]);
});

test('every join that computes or compares keeps the labels of the target', () => {
  for (const { expr } of rules)
    expect(expr).not.toMatch(/(?:^|\s)(?:[-/*+]|[<>]=?)(?: bool)? on \([^)]*\)(?! group_(?:left|right))/);
});

test('info series are joined through topk, so that two of one domain do not fail the rule for all', () => {
  const joins = rules.flatMap(({ expr }) => expr.match(/group_left \(\w[^)]*\)[\s\S]*?_info\b/g) ?? []);
  expect(joins.length).toBeGreaterThan(4);
  for (const join of joins) expect(join).toMatch(/topk by \(job, instance, domain(?:, device)?\) \(\s*1,/);
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

test('the causes are those that have an alert each, and every alert on a cause is of one group', () => {
  const candidates = recordings.filter(({ record }) => record === 'domain:libvirt_domain_slow:candidate');
  expect(candidates.map(({ labels }) => labels?.cause).sort()).toEqual([...CAUSES.keys()].sort());
  const group = groups.find(({ name }) => name === 'libvirt-causes')?.rules.filter(isAlert) ?? [];
  for (const [cause, alertname] of CAUSES)
    expect(group.find(({ alert }) => alert === alertname)?.expr).toBe(
      `domain:libvirt_domain_slow:prevailing{cause="${cause}"}`,
    );
});

test("what is Prometheus' own is neither recorded nor served", () => {
  expect([...PROMETHEUS_OWN.keys()].filter((name) => recorded.has(name) || served.has(name))).toEqual([]);
});

describe('what rules query is served', () => {
  const named = rules.map((rule) => [isAlert(rule) ? rule.alert : rule.record, rule] as const);
  // Made by rules: by their `labels`, by label_replace, and those that recorded series have kept.
  const madeByRules = new Set([
    ...recordings.flatMap(({ labels = {} }) => Object.keys(labels)),
    ...alerts.flatMap(({ labels }) => Object.keys(labels)),
    'direction',
  ]);
  /** A text puts the kind of limit into the name of the metric. */
  const LIMITS = ['libvirt_domain_block_limit_'];
  const known = new Map<string, Iterable<string>>([...PROMETHEUS_OWN, ...served]);
  const allLabels = new Set([...known.values()].flatMap((labels) => [...labels]).concat([...madeByRules]));

  test.each(named)('%s', (_name, rule) => {
    for (const { name, labels } of metricsIn(rule.expr)) {
      if (recorded.has(name)) {
        for (const label of labels) expect(allLabels).toContain(label);
        continue;
      }
      expect([...known.keys()]).toContain(name);
      const there = [...(known.get(name) ?? [])];
      for (const label of labels) expect(there).toContain(label);
    }
    for (const label of groupingLabelsIn(rule.expr)) expect(allLabels).toContain(label);
    if (!isAlert(rule)) return;
    const words = Object.values(rule.annotations).join(' ');
    for (const [, label] of words.matchAll(/\$labels\.(\w+)/g)) expect(allLabels).toContain(label);
    for (const [name] of words.matchAll(/(?:\w+:)?\blibvirt_\w+(?::\w+)?/g))
      expect([...known.keys(), ...recorded, ...LIMITS]).toContain(name);
  });
});

test('the example Alertmanager inhibits alerts that exist', async () => {
  const config = JSON.stringify(await readYaml(`${ROOT}deploy/alertmanager/alertmanager.yml`));
  const names = [...config.matchAll(/Libvirt[A-Z]\w+/g)].map(([name]) => name);
  expect(names.length).toBeGreaterThan(5);
  for (const name of names) expect(ALERTS).toContain(name);
});
