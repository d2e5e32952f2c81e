import { describe, expect, test } from '@jest/globals';
import { amtool, promtool } from '../support/promtool.ts';
import { ROOT, RULE_TESTS, RULES, yamlFiles } from '../unit/rules/rule-files.ts';

const cases = await yamlFiles(RULE_TESTS);

describe('promtool', () => {
  test('accepts the rules', async () => {
    const { ok, output } = await promtool(['check', 'rules', '--lint=all', ...(await yamlFiles(RULES))]);
    expect({ ok, output }).toEqual({ ok: true, output: expect.not.stringContaining('FAILED') });
  });

  test.each(cases)('%s passes', async (file) => {
    const { ok, output } = await promtool(['test', 'rules', file]);
    expect(ok ? '' : output).toBe('');
  });

  test('accepts the example configuration', async () => {
    const { ok, output } = await promtool(['check', 'config', `${ROOT}deploy/prometheus/prometheus.yml`]);
    expect(ok ? '' : output).toBe('');
  });
});

test('amtool accepts the example configuration', async () => {
  const { ok, output } = await amtool(['check-config', `${ROOT}deploy/alertmanager/alertmanager.yml`]);
  expect(ok ? '' : output).toBe('');
});
