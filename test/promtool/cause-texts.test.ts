import { expect, test } from '@jest/globals';
import { ruleComplaints } from '../support/rule-test.ts';
import { TARGET } from '../support/simulated-guest.ts';
import { ALERT_TEXTS, MINUTE, STEP_SECONDS, textSeries } from './cause-texts.ts';

const RUNBOOKS =
  'https://github.com/libvirt-drift-exporter/libvirt-drift-exporter/blob/main/docs/runbooks.md#';

test('each alert on a cause says what is so now, names the disk at fault alone, and has a remedy', async () => {
  const alertnames = [...new Set(ALERT_TEXTS.map(({ alertname }) => alertname))];
  const alerts = alertnames.map((alertname) => ({
    alertname,
    minute: MINUTE,
    alerts: ALERT_TEXTS.filter((text) => text.alertname === alertname).map(
      ({ domain, severity, cause, summary, description }) => ({
        labels: { ...TARGET, domain, severity, cause },
        annotations: { summary, description, runbook_url: `${RUNBOOKS}${alertname.toLowerCase()}` },
      }),
    ),
  }));
  expect(await ruleComplaints({ stepSeconds: STEP_SECONDS, series: textSeries(), alerts })).toBe('');
}, 120_000);
