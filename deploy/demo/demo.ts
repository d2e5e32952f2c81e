import { once } from 'node:events';
import { cleanUp } from '../../test/rig/clean-up.ts';
import { daemonState, startDaemon, stopDaemon } from '../../test/rig/daemon.ts';
import { runShown } from '../../test/rig/exec.ts';
import { ensureDebianPackages, GUEST_PACKAGES, HYPERVISOR_PACKAGES } from '../../test/rig/packages.ts';
import { startStory } from '../../test/rig/story.ts';
import { startExporterProcess } from '../../test/support/exporter-process.ts';
import { Exposition } from '../../test/support/exposition.ts';
import { summarize } from './summary.ts';

/** `npm run demo`: the story of the README on this machine, until Ctrl-C. */

const PREFIX = 'rig-demo';
const LISTEN = '127.0.0.1:9177';
/** A guest that thrashes may miss its first probes. */
const PROBED_WITHIN_MS = 120_000;

const say = (text: string): void => console.log(text);

async function show(): Promise<void> {
  say('Starting three guests (under emulation, which takes some ten seconds)');
  const story = await startStory(PREFIX);
  const exporter = await startExporterProcess(
    `--web.listen-address=${LISTEN}`,
    '--log.level=info',
    `--domain.include=${PREFIX}-.*`,
    '--guest.interval=5s',
  );
  try {
    const probed = [story.node1, story.node2];
    await exporter.scrapeUntil(
      (seen) => probed.every((domain) => seen.value('libvirt_domain_guest_agent_up', { domain }) === 1),
      PROBED_WITHIN_MS,
    );
    const text = await exporter.scrapeText();
    say(`\n${summarize(new Exposition(text), Object.values(story))}`);
    say('As Prometheus reads it:');
    const lines = text.split('\n').filter((line) => line.includes(`domain="${story.node1}"`));
    for (const line of lines.filter((each) => /machine_type|swap_used|os_drift.* 1$|iowait/.test(each)))
      say(`  ${line}`);
    say(`\nAll of it: ${exporter.url}/metrics (Ctrl-C ends the demo and removes its guests)`);
    await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM'), once(exporter.child, 'exit')]);
    say('\nRemoving what the demo started');
  } finally {
    await exporter.stop();
  }
}

async function main(): Promise<void> {
  await ensureDebianPackages([...HYPERVISOR_PACKAGES, ...GUEST_PACKAGES]);
  await runShown('npm', ['run', '--silent', 'build']);
  const { up: wasUp } = await daemonState();
  await startDaemon();
  try {
    await show();
  } finally {
    await cleanUp(`${PREFIX}-`);
    if (!wasUp) await stopDaemon();
  }
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
