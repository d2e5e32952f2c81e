import { once } from 'node:events';
import { cleanUp } from '../../testbed/clean-up.ts';
import { daemonState, startDaemon, stopDaemon } from '../../testbed/daemon.ts';
import { runShown } from '../../testbed/exec.ts';
import { type ExporterProcess, startExporterProcess } from '../../testbed/exporter-process.ts';
import { Exposition } from '../../testbed/exposition.ts';
import { type Monitoring, startMonitoring } from '../../testbed/monitoring/monitoring.ts';
import type { WebhookAlert } from '../../testbed/monitoring/webhook.ts';
import {
  ensureDebianPackages,
  GUEST_PACKAGES,
  HYPERVISOR_PACKAGES,
  PROMETHEUS_PACKAGES,
} from '../../testbed/packages.ts';
import { type Story, startStory } from '../../testbed/story.ts';
import { describeAlert } from './alert-text.ts';
import { onInterruption, untilEnding } from './interruption.ts';
import { summarize } from './summary.ts';

/**
 * `npm run demo`: the story of the README on this machine, until Ctrl-C. That ends whatever is under way, and what was
 * started is removed.
 */

const PREFIX = 'rig-demo';
const LISTEN = '127.0.0.1:9177';
/** A guest that thrashes may miss its first probes. */
const PROBED_WITHIN_MS = 120_000;

const PROMETHEUS_PORT = 9090;
const ALERTMANAGER_PORT = 9093;
/** The shipped alerts wait for minutes, which is right for a pager and long for a demo. */
const ALERT_AFTER = '15s';
const ALERTED_WITHIN_MS = 240_000;

const say = (text: string): void => console.log(text);

/** Rejects once the demo is to end, so that what is waited for beside it is waited for no longer. */
async function ending(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, 'abort');
  throw signal.reason;
}

async function show(signal: AbortSignal): Promise<void> {
  say('Starting three guests (under emulation, which takes some ten seconds)');
  const story = await startStory(PREFIX, signal);
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
    const text = await exporter.scrapeText();
    say(`\n${summarize(new Exposition(text), Object.values(story))}`);
    say('As Prometheus reads it:');
    const lines = text.split('\n').filter((line) => line.includes(`domain="${story.node1}"`));
    for (const line of lines.filter((each) => /machine_type|swap_used|os_drift.* 1$|iowait/.test(each)))
      say(`  ${line}`);
    await watch(exporter, story, signal);
  } finally {
    await exporter.stop();
  }
}

/** Lets Prometheus look at it with the shipped rules, and tells each alert on the terminal until Ctrl-C. */
async function watch(exporter: ExporterProcess, story: Story, signal: AbortSignal): Promise<void> {
  const isDrastic = ({ labels }: WebhookAlert): boolean => labels.alertname === 'LibvirtGuestSwapThrashing';
  say('\nPrometheus and Alertmanager look at it now, with the shipped rules (each `for` shortened to 15 s)');
  const others: WebhookAlert[] = [];
  const ended = Promise.race([ending(signal), once(exporter.child, 'exit')]);
  ended.catch(() => undefined); // the start below ends with the same signal
  const monitoring: Monitoring = await startMonitoring({
    target: LISTEN,
    alertAfter: ALERT_AFTER,
    prometheusPort: PROMETHEUS_PORT,
    alertmanagerPort: ALERTMANAGER_PORT,
    onAlert: (alert) => {
      if (!isDrastic(alert)) others.push(alert);
    },
    signal,
  });
  try {
    const told = monitoring.webhook.told(
      (alert) => isDrastic(alert) && alert.labels.domain === story.node1,
      ALERTED_WITHIN_MS,
    );
    const first = await Promise.race([told, ended.then(() => undefined)]);
    if (first === undefined) return;
    say(`\n${describeAlert(first)}`);
    const names = new Set(others.map(({ labels }) => `${labels.alertname} ${labels.domain ?? ''}`.trim()));
    if (names.size > 0) say(`\nAlso told: ${[...names].sort().join(', ')}`);
    say(`\nExporter      ${exporter.url}/metrics`);
    say(`Prometheus    ${monitoring.alertsUrl}`);
    say(`Alertmanager  ${monitoring.alertmanagerUrl}`);
    say('Ctrl-C ends the demo and removes its guests');
    await ended;
  } finally {
    await monitoring.stop();
  }
}

async function main(): Promise<void> {
  const { signal, insist } = onInterruption(say);
  await untilEnding(signal, async () => {
    const packages = [...HYPERVISOR_PACKAGES, ...GUEST_PACKAGES, ...PROMETHEUS_PACKAGES];
    await ensureDebianPackages(packages, signal);
    signal.throwIfAborted();
    await runShown('npm', ['run', '--silent', 'build']);
  });
  const { up: wasUp } = await daemonState();
  if (signal.aborted) return;
  let answers = false;
  try {
    await untilEnding(signal, async () => {
      await startDaemon();
      answers = true;
      signal.throwIfAborted();
      await show(signal);
    });
  } finally {
    say('\nRemoving what the demo started');
    try {
      if (answers) await insist(() => cleanUp(`${PREFIX}-`));
    } finally {
      if (!wasUp) await insist(stopDaemon);
    }
  }
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
