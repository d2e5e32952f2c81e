import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Monitoring, startMonitoring } from '../monitoring/monitoring.ts';
import type { WebhookAlert } from '../monitoring/webhook.ts';
import { guestShell, waitForAgent } from '../rig/agent.ts';
import { destroyGuest, runGuest, undefineGuest } from '../rig/domains.ts';
import { linuxGuest } from '../rig/linux-guest.ts';
import { type ExporterProcess, startExporterProcess } from '../support/exporter-process.ts';

/** Real guests, the built exporter, a real Prometheus with the shipped rules, and a real Alertmanager. */

const PREFIX = 'rig-test-e2e-';
const THRASHING = `${PREFIX}thrashing`;
const HEALTHY = `${PREFIX}healthy`;
const BOOT_MS = 120_000;
const ALERT_MS = 240_000;

/** Ends what works the swap hard, and turns swap off once what was in it is gone: it would not fit into memory. */
const CALM_DOWN =
  'touch /run/calm; killall dd cat; while [ -e /thrash/file ]; do sleep 1; done; swapoff /dev/vda';

let exporter: ExporterProcess;
let monitoring: Monitoring;

beforeAll(async () => {
  await runGuest(
    await linuxGuest({
      name: THRASHING,
      os: 'ubuntu-20.04',
      declaredOs: 'http://ubuntu.com/ubuntu/18.04',
      machine: 'pc-q35-3.1',
      memoryMiB: 176,
      vcpus: 2,
      swap: 'thrash',
      swapMiB: 256,
      diskBytesPerSec: 4_000_000,
      balloonPeriodSeconds: 2,
      kubelet: true,
    }),
  );
  await runGuest(
    await linuxGuest({
      name: HEALTHY,
      os: 'ubuntu-24.04',
      declaredOs: 'http://ubuntu.com/ubuntu/24.04',
      machine: 'q35',
      balloonPeriodSeconds: 2,
    }),
  );
  await Promise.all([THRASHING, HEALTHY].map((name) => waitForAgent(name, BOOT_MS)));
  exporter = await startExporterProcess(`--domain.include=${PREFIX}.*`, '--guest.interval=3s');
  monitoring = await startMonitoring({ target: new URL(exporter.url).host, alertAfter: '4s' });
}, BOOT_MS);

afterAll(async () => {
  await monitoring?.stop();
  await exporter?.stop();
  for (const name of [THRASHING, HEALTHY]) {
    await destroyGuest(name);
    await undefineGuest(name);
  }
}, BOOT_MS);

const about =
  (alertname: string, domain: string, status: WebhookAlert['status'] = 'firing') =>
  (alert: WebhookAlert): boolean =>
    alert.status === status && alert.labels.alertname === alertname && alert.labels.domain === domain;

describe('the guest that swaps itself slow', () => {
  test(
    'is told to the person on call by name, with the cause and what to do',
    async () => {
      const alert = await monitoring.webhook.told(about('LibvirtGuestSwapThrashing', THRASHING), ALERT_MS);
      expect(alert.labels).toMatchObject({
        severity: 'warning',
        job: 'libvirt',
        instance: new URL(exporter.url).host,
      });
      expect(alert.annotations.summary).toBe('A guest is slow because it swaps.');
      expect(alert.annotations.description).toMatch(
        new RegExp(
          `^${THRASHING} on 127\\.0\\.0\\.1:\\d+ waits for I/O [\\d.]+% of its CPU time, and it swaps [\\d.]+[kM]iB/s with [\\d.]+% of its swap in use\\. In the guest: .*swapoff -a.*full stop and start, not a reboot`,
        ),
      );
      expect(alert.annotations.runbook_url).toMatch(/docs\/runbooks\.md#libvirtguestswapthrashing$/);
    },
    ALERT_MS,
  );

  test('has its other drifts told, too', async () => {
    for (const name of ['LibvirtMachineTypeOutdated', 'LibvirtOsDrift', 'LibvirtKubernetesNodeSwapEnabled'])
      await monitoring.webhook.told(about(name, THRASHING), ALERT_MS);
  });

  test('has one cause of iowait and no other', async () => {
    const firing = await monitoring.query(
      `ALERTS{alertstate="firing",domain="${THRASHING}",alertname=~"LibvirtGuest(SwapThrashing|StorageSlow|IowaitHigh)"}`,
    );
    expect(firing.map(({ metric }) => metric.alertname)).toEqual(['LibvirtGuestSwapThrashing']);
  });
});

test('the guest that is well raises no alert at all', async () => {
  const firing = await monitoring.query(`ALERTS{alertstate="firing",domain="${HEALTHY}"}`);
  expect(firing).toEqual([]);
  expect(monitoring.webhook.alerts.filter(({ labels }) => labels.domain === HEALTHY)).toEqual([]);
});

test(
  'Prometheus takes OpenMetrics from the exporter, all of it',
  async () => {
    const [up] = await monitoring.query('up{job="libvirt"}');
    expect(up?.value).toBe(1);
    const [samples] = await monitoring.query('scrape_samples_scraped{job="libvirt"}');
    expect(samples?.value).toBeGreaterThan(200);
  },
  ALERT_MS,
);

test(
  'swap removed inside the guest resolves the alert',
  async () => {
    await guestShell(THRASHING, CALM_DOWN);
    await monitoring.webhook.told(about('LibvirtGuestSwapThrashing', THRASHING, 'resolved'), ALERT_MS);
    await monitoring.webhook.told(about('LibvirtKubernetesNodeSwapEnabled', THRASHING, 'resolved'), ALERT_MS);
  },
  ALERT_MS,
);
