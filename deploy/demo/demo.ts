import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { cleanUp } from '../../testbed/clean-up.ts';
import { daemonState, startDaemon, stopDaemon } from '../../testbed/daemon.ts';
import { type ExporterProcess, startExporterProcess } from '../../testbed/exporter-process.ts';
import { type Monitoring, startMonitoring } from '../../testbed/monitoring/monitoring.ts';
import type { WebhookAlert } from '../../testbed/monitoring/webhook.ts';
import {
  describeInstallation,
  GUEST_PACKAGES,
  HYPERVISOR_PACKAGES,
  installDebianPackages,
  missingPackages,
  PROMETHEUS_PACKAGES,
} from '../../testbed/packages.ts';
import { runLogged } from '../../testbed/run-logged.ts';
import { type Story, startStory } from '../../testbed/story.ts';
import { describeAlert } from './alert-text.ts';
import { renderFindings } from './findings.ts';
import { onInterruption, untilEnding } from './interruption.ts';
import { createSteps, DEMO_STEPS, type Steps } from './steps.ts';

/**
 * `npm run demo`: the three guests of the README on this machine, until Ctrl-C. Ctrl-C ends the step that runs, and what
 * the demo started is removed.
 */

const PREFIX = 'rig-demo';
const LISTEN = '127.0.0.1:9177';
/** A guest that thrashes may not answer its first probes in time. */
const PROBED_WITHIN_MS = 120_000;

const PROMETHEUS_PORT = 9090;
const ALERTMANAGER_PORT = 9093;
/** The shipped alerts have a `for` of minutes, which is right for a pager and long for a demo. */
const ALERT_AFTER = '15s';
const ALERTED_WITHIN_MS = 240_000;
/** Alerts of the same evaluation are sent within this time of each other. */
const SETTLED_AFTER_MS = 6_000;
const MAIN_ALERT = 'LibvirtGuestSwapThrashing';
const MAX_TRIES = 15;
const IOWAIT = 'domain:libvirt_domain_guest_iowait:ratio_rate1m';

const say = (text: string): void => console.log(text);

/** Rejects with the signal's reason when the signal is given. */
async function ending(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, 'abort');
  throw signal.reason;
}

async function prepare(steps: Steps, signal: AbortSignal): Promise<void> {
  const missing = await missingPackages([...HYPERVISOR_PACKAGES, ...GUEST_PACKAGES, ...PROMETHEUS_PACKAGES]);
  if (missing.length === 0) {
    steps.begin('Debian packages: installed');
  } else {
    steps.begin(describeInstallation(missing));
    await installDebianPackages(missing, signal);
  }
  signal.throwIfAborted();
  steps.begin('building the exporter');
  await runLogged('npm', ['run', '--silent', 'build']);
}

async function show(steps: Steps, signal: AbortSignal): Promise<void> {
  steps.begin('starting three guests (emulated, so this takes some 20 s)');
  const story = await startStory(PREFIX, signal);
  steps.begin('starting the exporter, and waiting until both guest agents have answered');
  const exporter = await startExporterProcess(
    `--web.listen-address=${LISTEN}`,
    '--log.level=info',
    `--domain.include=${PREFIX}-.*`,
    '--guest.interval=5s',
  );
  try {
    const probed = [story.node1, story.node2];
    const answered = exporter.scrapeUntil(
      (seen) => probed.every((domain) => seen.value('libvirt_domain_guest_agent_up', { domain }) === 1),
      PROBED_WITHIN_MS,
    );
    await Promise.race([answered, ending(signal)]);
    await watch(steps, exporter, story, signal);
  } finally {
    await exporter.stop();
  }
}

/** Runs Prometheus with the shipped rules until the main alert fires, then shows the findings until Ctrl-C. */
async function watch(
  steps: Steps,
  exporter: ExporterProcess,
  story: Story,
  signal: AbortSignal,
): Promise<void> {
  const isMain = ({ labels }: WebhookAlert): boolean =>
    labels.alertname === MAIN_ALERT && labels.domain === story.node1;
  steps.begin('starting Prometheus and Alertmanager, and waiting for alerts (a minute or two)');
  steps.note(`The rules are the shipped ones, with each \`for\` shortened to ${ALERT_AFTER}.`);
  const ended = Promise.race([ending(signal), once(exporter.child, 'exit')]);
  ended.catch(() => undefined); // `startMonitoring` rejects with the same reason.
  let shown = false;
  const monitoring: Monitoring = await startMonitoring({
    target: LISTEN,
    alertAfter: ALERT_AFTER,
    prometheusPort: PROMETHEUS_PORT,
    alertmanagerPort: ALERTMANAGER_PORT,
    onAlert: ({ labels, status }) => {
      if (status !== 'firing' || shown) return;
      steps.note(`firing: ${labels.alertname}, ${labels.domain ?? labels.instance}`);
    },
    signal,
  });
  try {
    const fired = monitoring.webhook.waitForAlert(isMain, ALERTED_WITHIN_MS);
    const alert = await Promise.race([fired, ended.then(() => undefined)]);
    if (alert === undefined) return;
    await settle(monitoring.webhook.alerts, signal);
    const firing = await onlyCause(monitoring, story.node1, signal);
    shown = true;
    say(`\n${describeAlert(alert)}`);
    const iowait = await monitoring.query(IOWAIT);
    const findings = renderFindings({
      seen: await exporter.scrape(),
      domains: Object.values(story),
      iowait: new Map(iowait.map(({ metric, value }) => [metric.domain ?? '', value])),
      alerts: [alert, ...monitoring.webhook.alerts].filter(({ labels }) => firing.has(identify(labels))),
    });
    say(`\n${findings}`);
    say(`\nExporter      ${exporter.url}/metrics`);
    say(`Prometheus    ${monitoring.alertsUrl}`);
    say(`Alertmanager  ${monitoring.alertmanagerUrl}`);
    say('Runbooks      docs/runbooks.md');
    say('\nCtrl-C ends the demo and removes its guests.');
    await ended;
  } finally {
    await monitoring.stop();
  }
}

/**
 * The alerts that fire once the main one is the only cause of the domain's slowness. With each `for` as short as here another
 * cause can fire first, for the seconds in which swap traffic is not known yet.
 */
async function onlyCause(
  monitoring: Monitoring,
  domain: string,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  for (let tries = 0; ; tries++) {
    const alerts = await monitoring.query('ALERTS{alertstate="firing"}');
    const causes = alerts.filter(({ metric }) => metric.domain === domain && metric.cause !== undefined);
    if (causes.length <= 1 || tries === MAX_TRIES)
      return new Set(alerts.map(({ metric }) => identify(metric)));
    await sleep(SETTLED_AFTER_MS, undefined, { signal });
  }
}

function identify({ alertname, domain, instance }: Readonly<Record<string, string>>): string {
  return `${alertname} ${domain ?? instance}`;
}

/** Resolves when no alert has come for a while. */
async function settle(alerts: readonly WebhookAlert[], signal: AbortSignal): Promise<void> {
  for (let before = -1; before < alerts.length; ) {
    before = alerts.length;
    await sleep(SETTLED_AFTER_MS, undefined, { signal });
  }
}

async function main(steps: Steps): Promise<void> {
  const { signal, insist } = onInterruption(say);
  await untilEnding(signal, () => prepare(steps, signal));
  const { up: wasUp } = await daemonState();
  if (signal.aborted) return;
  let answers = false;
  try {
    await untilEnding(signal, async () => {
      steps.begin(wasUp ? 'libvirtd: runs' : 'starting libvirtd');
      await startDaemon();
      answers = true;
      signal.throwIfAborted();
      await show(steps, signal);
    });
  } finally {
    say('\nRemoving what the demo started');
    try {
      if (answers) await insist(() => cleanUp(`${PREFIX}-`));
    } finally {
      if (!wasUp) await insist(stopDaemon);
    }
    say('Removed. Packages that were installed stay.');
  }
}

const steps = createSteps({
  total: DEMO_STEPS,
  done: 1,
  startedAt: Number(process.env.STEPS_STARTED ?? Date.now() / 1000),
  print: say,
});
try {
  await main(steps);
} catch (error) {
  console.error(`\n${steps.failure()}:\n${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
