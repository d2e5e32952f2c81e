import { cleanUp } from '../../testbed/clean-up.ts';
import { daemonState, startDaemon, stopDaemon } from '../../testbed/daemon.ts';
import { runShown } from '../../testbed/exec.ts';
import { ensureDebianPackages, HYPERVISOR_PACKAGES, MissingPackagesError } from '../../testbed/packages.ts';
import { growth, soak } from './soak.ts';

/**
 * `npm run soak [-- MINUTES]`: scrapes once a second while domains stop and start, and fails when the exporter's
 * memory, descriptors or sockets grow.
 */

const DEFAULT_MINUTES = 10;
const MOST_MINUTES = 24 * 60;
const PREFIX = 'rig-soak-';
const DOMAINS = 20;
const SHOW_EVERY_SECONDS = 30;

async function main(): Promise<number> {
  const minutes = Number(process.argv[2] ?? DEFAULT_MINUTES);
  if (!(minutes > 0 && minutes <= MOST_MINUTES)) throw new Error('usage: npm run soak -- MINUTES');
  await ensureDebianPackages([...HYPERVISOR_PACKAGES]);
  await runShown('npm', ['run', '--silent', 'build']);
  const { up: wasUp } = await daemonState();
  await startDaemon();
  let shown = 0;
  try {
    const result = await soak({
      seconds: minutes * 60,
      everyMs: 1_000,
      domains: DOMAINS,
      prefix: PREFIX,
      onSample: ({ residentMb, descriptors, sockets }, second) => {
        if (second < shown) return;
        shown += SHOW_EVERY_SECONDS;
        console.log(
          `${second.toFixed(0).padStart(5)} s  ${residentMb.toFixed(1)} MB  ${descriptors} descriptors  ${sockets} sockets`,
        );
      },
    });
    const { scrapes, restarts, second, last } = result;
    console.log(`${scrapes} scrapes, ${restarts} restarts of domains`);
    console.log(`second quarter  ${JSON.stringify(second)}\nlast quarter    ${JSON.stringify(last)}`);
    const grown = growth(result);
    for (const line of grown) console.log(`grew: ${line}`);
    if (grown.length === 0) console.log('nothing grew');
    return grown.length === 0 ? 0 : 1;
  } finally {
    await cleanUp(PREFIX);
    if (!wasUp) await stopDaemon();
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof MissingPackagesError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
