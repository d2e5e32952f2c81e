import { mkdir, rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { guestShell, waitForAgent } from '../../testbed/agent.ts';
import { destroyGuest, runGuest, undefineGuest } from '../../testbed/domains.ts';
import { type ExporterProcess, startExporterProcess } from '../../testbed/exporter-process.ts';
import { linuxGuest } from '../../testbed/linux-guest.ts';
import { type Monitoring, startMonitoring } from '../../testbed/monitoring/monitoring.ts';
import type { WebhookAlert } from '../../testbed/monitoring/webhook.ts';
import { STATE_DIR } from '../../testbed/paths.ts';
import { virsh } from '../../testbed/virsh.ts';
import { waitFor } from '../../testbed/wait.ts';
import { type DashboardQuery, dashboardQueries } from '../support/dashboard-queries.ts';
import { mayHaveNothing, nameOf, reasonForNothing } from './nothing-to-show.ts';

/** Real guests, the built exporter, a real Prometheus with the shipped rules, and a real Alertmanager. */

const PREFIX = 'rig-test-e2e-';
const THRASHING = `${PREFIX}thrashing`;
const HEALTHY = `${PREFIX}healthy`;
const POOL = `${PREFIX}pool`;
const POOL_DIR = `${STATE_DIR}/${POOL}`;
const BOOT_MS = 120_000;
const ALERT_MS = 240_000;

/** Ends what works the swap hard, and turns swap off once what was in it is gone: it would not fit into memory. */
const CALM_DOWN =
  'touch /run/calm; killall dd cat; while [ -e /thrash/file ]; do sleep 1; done; swapoff /dev/vda';

let exporter: ExporterProcess;
let monitoring: Monitoring;
let last: readonly string[] = [];

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
      extraDevicesXml: `<interface type='ethernet'><target dev='rigtap1'/><model type='virtio'/>
        <rom enabled='no'/></interface>`,
    }),
  );
  await mkdir(POOL_DIR, { recursive: true });
  await virsh(['pool-create-as', POOL, 'dir', '--target', POOL_DIR]);
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
  monitoring = await startMonitoring({
    target: new URL(exporter.url).host,
    alertAfter: '4s',
    otherJobs: true,
  });
}, BOOT_MS);

afterAll(async () => {
  await monitoring?.stop();
  await exporter?.stop();
  await virsh(['pool-destroy', POOL]).catch(() => undefined);
  await rm(POOL_DIR, { recursive: true, force: true });
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
      const alert = await monitoring.webhook.waitForAlert(
        about('LibvirtGuestSwapThrashing', THRASHING),
        ALERT_MS,
      );
      expect(alert.labels).toMatchObject({
        severity: 'warning',
        job: 'libvirt',
        instance: new URL(exporter.url).host,
      });
      expect(alert.annotations.summary).toBe('A guest is slow because it swaps.');
      // The guest itself says how full its swap is, and one that is this short of memory may not have come to it yet.
      expect(alert.annotations.description).toMatch(
        new RegExp(
          `^${THRASHING} on 127\\.0\\.0\\.1:\\d+ swaps [\\d.]+ MiB/s(?: with \\d+ % of its swap in use)?(?:, and (?:waits for I/O \\d+ % of the time|[\\d.]+ of its CPUs wait for I/O))?\\. In the guest: .*swapoff -a.*full stop and start, not a reboot\\..* Its machine type pc-q35-3\\.1 is old, but that is not why it is slow\\.$`,
        ),
      );
      expect(alert.annotations.runbook_url).toMatch(/docs\/runbooks\.md#libvirtguestswapthrashing$/);
    },
    ALERT_MS,
  );

  test('has its other drifts told, too', async () => {
    for (const name of ['LibvirtMachineTypeOutdated', 'LibvirtOsDrift', 'LibvirtKubernetesNodeSwapEnabled'])
      await monitoring.webhook.waitForAlert(about(name, THRASHING), ALERT_MS);
  });

  test('has one cause and no other', async () => {
    const firing = await monitoring.query(`ALERTS{alertstate="firing",domain="${THRASHING}",cause!=""}`);
    expect(firing.map(({ metric }) => [metric.alertname, metric.cause])).toEqual([
      ['LibvirtGuestSwapThrashing', 'swap'],
    ]);
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
  'every query of every dashboard has data, but for those that have nothing to show here',
  async () => {
    const queries = dashboardQueries({ job: 'libvirt', domain: THRASHING }).filter(
      (query) => !mayHaveNothing(query),
    );
    const isEmpty = async ({ query }: DashboardQuery): Promise<boolean> =>
      (await monitoring.query(query)).length === 0;
    // Rates need two readings of a guest, and what is asked every minute has to have been asked.
    const unexpected = await waitFor(
      async () => {
        const empty: string[] = [];
        for (const each of queries) {
          if (reasonForNothing(each) === undefined && (await isEmpty(each))) empty.push(nameOf(each));
        }
        last = empty;
        return empty.length === 0 ? empty : undefined;
      },
      {
        what: 'dashboards to have data',
        timeoutMs: 120_000,
        everyMs: 2_000,
        explain: async () => last.join('\n'),
      },
    );
    expect(unexpected).toEqual([]);
    const filled: string[] = [];
    for (const each of queries) {
      if (reasonForNothing(each) !== undefined && each.kind === 'panel' && !(await isEmpty(each)))
        filled.push(nameOf(each));
    }
    expect(filled).toEqual([]);
  },
  ALERT_MS,
);

test(
  'with all jobs chosen no dashboard shows the targets of another job',
  async () => {
    await waitFor(
      async () => ((await monitoring.query('up{job="gone"} == 0')).length > 0 ? true : undefined),
      {
        what: 'the target that is gone to be missed',
        timeoutMs: 30_000,
      },
    );
    for (const { query, panel } of dashboardQueries({ domain: THRASHING })) {
      const shown = await monitoring.query(query);
      const foreign = shown.filter(({ metric: { job = 'libvirt' } }) => job !== 'libvirt');
      expect({ panel, foreign }).toEqual({ panel, foreign: [] });
    }
    const notReached = dashboardQueries().filter(({ panel }) =>
      ['Not answering A', 'Exporters not reached A'].includes(panel),
    );
    expect(notReached).toHaveLength(2);
    for (const { query } of notReached)
      expect((await monitoring.query(query)).map(({ value }) => value)).toEqual([0]);
  },
  ALERT_MS,
);

test(
  'swap removed inside the guest resolves the alert',
  async () => {
    await guestShell(THRASHING, CALM_DOWN);
    await monitoring.webhook.waitForAlert(
      about('LibvirtGuestSwapThrashing', THRASHING, 'resolved'),
      ALERT_MS,
    );
    await monitoring.webhook.waitForAlert(
      about('LibvirtKubernetesNodeSwapEnabled', THRASHING, 'resolved'),
      ALERT_MS,
    );
  },
  ALERT_MS,
);
