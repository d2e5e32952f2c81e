import { writeFile } from 'node:fs/promises';
import { cleanUp } from '../../testbed/clean-up.ts';
import { daemonState, startDaemon, stopDaemon } from '../../testbed/daemon.ts';
import { runShown } from '../../testbed/exec.ts';
import { startFleet } from '../../testbed/fleet.ts';
import {
  ensureDebianPackages,
  HYPERVISOR_PACKAGES,
  MissingPackagesError,
  PEER_PACKAGES,
} from '../../testbed/packages.ts';
import { measureBusy } from './busy-bench.ts';
import { claimsOf, type FleetResult } from './claims.ts';
import { bulkCall, debianExporter, NAMES, thisExporter } from './contenders.ts';
import { measureProbing } from './guest-bench.ts';
import { measureSideBySide } from './measure.ts';
import { measureRendering } from './render-bench.ts';
import { reportSideBySide, reportSingles, slopes } from './report.ts';
import { measureStopped, ONE_IN, type StoppedMeasurement } from './stopped-bench.ts';

/**
 * `npm run bench [-- COUNT]`: what a scrape costs on fleets of halted domains, side by side in one run with Debian's
 * exporter and with the bare bulk call that has the same to tell, with a tenth and a fifth of the QEMUs stopped, and on a busy host. Timings inform;
 * they decide no test.
 */

const DEFAULT_COUNT = 100;
const SLOPE_COUNTS = [50, 200] as const;
const MOST = 1_000;
const ROUNDS = 25;
const FLEET_PREFIX = 'rig-bench-';
const RENDERED_DOMAINS = 1_000;
const PROBED_GUESTS = 200;

async function measureFleet(count: number): Promise<FleetResult> {
  console.error(`bringing ${count} halted domains to run`);
  const { names } = await startFleet(count, { prefix: FLEET_PREFIX });
  const own = await thisExporter('own', `${FLEET_PREFIX}.*`);
  const contenders = [
    own,
    await thisExporter('cheap', `${FLEET_PREFIX}.*`),
    await debianExporter(),
    await bulkCall(NAMES.bulk, ['state', 'cpu', 'balloon', 'vcpu', 'interface', 'block']),
    await bulkCall(NAMES.bulkWithoutCpu, ['state', 'balloon', 'vcpu', 'interface', 'block']),
    await bulkCall(NAMES.states, ['state']),
  ];
  try {
    console.error(`${ROUNDS} rounds over ${count} domains`);
    const measurements = await measureSideBySide(contenders, ROUNDS);
    console.error('and as many with a tenth and a fifth of the QEMUs stopped');
    const stopped: StoppedMeasurement[] = [];
    for (const oneIn of ONE_IN) stopped.push(await measureStopped(own, names, ROUNDS, oneIn));
    if (count !== SLOPE_COUNTS[0]) return { measurements, stopped };
    console.error('and while ten guests keep the processors busy (takes some minutes)');
    try {
      return { measurements, stopped, busy: await measureBusy(own, FLEET_PREFIX) };
    } finally {
      await cleanUp(`${FLEET_PREFIX}busy-`);
    }
  } finally {
    for (const { stop } of contenders) await stop();
  }
}

async function main(): Promise<void> {
  const count = Number(process.argv[2] ?? DEFAULT_COUNT);
  if (!Number.isInteger(count) || count < 1 || count > MOST) throw new Error('usage: npm run bench -- COUNT');
  await ensureDebianPackages([...HYPERVISOR_PACKAGES, ...PEER_PACKAGES]);
  await runShown('npm', ['run', '--silent', 'build']);
  const { up: wasUp } = await daemonState();
  await startDaemon();
  const fleets = new Map<number, FleetResult>();
  try {
    const counts = [...new Set([count, ...SLOPE_COUNTS])].sort((a, b) => a - b);
    for (const domains of counts) fleets.set(domains, await measureFleet(domains));
  } finally {
    await cleanUp(FLEET_PREFIX);
    if (!wasUp) await stopDaemon();
  }
  console.error(`probing ${PROBED_GUESTS} guests of a fake daemon for a minute`);
  const probing = await measureProbing(PROBED_GUESTS);
  const rendering = await measureRendering(RENDERED_DOMAINS);
  const evaluated = [...fleets].map(([domains, result]) => ({
    domains,
    ...result,
    claims: claimsOf(domains, result),
  }));
  for (const { domains, measurements, claims } of evaluated) reportSideBySide(domains, measurements, claims);
  const slope = slopes(fleets, SLOPE_COUNTS);
  reportSingles({ slope, rendering, probing: { guests: PROBED_GUESTS, ...probing } });
  const result = {
    date: new Date().toISOString(),
    fleets: Object.fromEntries(evaluated.map(({ domains, ...result }) => [domains, result])),
    slope,
    rendering,
    probing,
  };
  await writeFile(`bench-${count}.json`, `${JSON.stringify(result, null, 2)}\n`);
}

try {
  await main();
} catch (error) {
  if (!(error instanceof MissingPackagesError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
