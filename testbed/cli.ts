import { cleanUp, rigDomainNames } from './clean-up.ts';
import { daemonState, startDaemon, stopDaemon } from './daemon.ts';
import { domainState } from './domains.ts';
import { CommandError } from './exec.ts';
import { startFleet } from './fleet.ts';
import {
  ensureDebianPackages,
  GUEST_PACKAGES,
  HYPERVISOR_PACKAGES,
  MissingPackagesError,
  missingPackages,
  PROMETHEUS_PACKAGES,
} from './packages.ts';
import { startStory } from './story.ts';

const USAGE = `usage: npx tsx testbed/cli.ts COMMAND
  up         install what is missing and start libvirtd unless one answers
  guests     up, then the demo's guests: node1 (old machine type, swaps), node2 (healthy), legacy (shut off)
  fleet N    up, then N halted domains
  clean      remove all domains of the rig, with their files
  down       clean, then stop what the rig started
  status     missing packages, libvirtd, and the rig's domains`;

async function up(): Promise<void> {
  await ensureDebianPackages([...HYPERVISOR_PACKAGES, ...GUEST_PACKAGES]);
  const { owned } = await startDaemon();
  console.log(`libvirtd answers (${owned ? 'started by the rig' : 'not started by the rig'})`);
}

async function guests(): Promise<void> {
  await up();
  const { node1, node2, legacy } = await startStory();
  console.log(`running: ${node1}, ${node2}; shut off: ${legacy}`);
}

async function fleet(count: number): Promise<void> {
  await up();
  const { started, seconds } = await startFleet(count, {
    onStarted: (_, done) => {
      if (done % 20 === 0) console.error(`${done} started`);
    },
  });
  console.log(`${count} domains run, ${started} of them started now, in ${seconds.toFixed(1)} s`);
}

async function clean(): Promise<void> {
  const removed = await cleanUp();
  console.log(`removed ${removed.length} domains`);
}

async function down(): Promise<void> {
  // Guests outlive libvirtd, and only a libvirtd that answers can remove them.
  if ((await missingPackages(HYPERVISOR_PACKAGES)).length === 0) {
    await startDaemon();
    await clean();
  }
  await stopDaemon();
}

async function status(): Promise<void> {
  const missing = await missingPackages([...HYPERVISOR_PACKAGES, ...GUEST_PACKAGES, ...PROMETHEUS_PACKAGES]);
  if (missing.length > 0) console.log(`missing packages: ${missing.join(' ')}`);
  const { up: answers, owned } = await daemonState();
  console.log(`libvirtd: ${answers ? 'answers' : 'does not answer'}${owned ? ', started by the rig' : ''}`);
  if (!answers) return;
  for (const name of await rigDomainNames()) console.log(`${name}: ${await domainState(name)}`);
}

async function main([command, count]: readonly string[]): Promise<void> {
  if (command === 'up') return up();
  if (command === 'guests') return guests();
  if (command === 'fleet' && /^\d{1,4}$/.test(count ?? '')) return fleet(Number(count));
  if (command === 'clean') return clean();
  if (command === 'down') return down();
  if (command === 'status') return status();
  console.error(USAGE);
  process.exitCode = 1;
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  const isForPeople = error instanceof MissingPackagesError || error instanceof CommandError;
  console.error(isForPeople ? error.message : error);
  process.exitCode = 1;
}
