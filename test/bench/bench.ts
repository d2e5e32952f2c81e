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
import { type Claim, claimsOf, type FleetResult } from './claims.ts';
import { bulkCall, debianExporter, NAMES, thisExporter } from './contenders.ts';
import { measureProbing } from './guest-bench.ts';
import { measureSideBySide } from './measure.ts';
import { measureRendering } from './render-bench.ts';
import { reportSideBySide, reportSingles, slopes } from './report.ts';
import { measureStopped, ONE_IN, type StoppedMeasurement } from './stopped-bench.ts';

/**
 * `npm run bench [-- COUNT...]`: what a scrape costs on fleets of halted domains, side by side in one run with Debian's
 * exporter and with the bare bulk call that returns the same, with a tenth and a fifth of the QEMUs stopped, and on a busy
 * host (with 50 domains). A fleet of 200 wants more than two cores' worth of QEMU's own idle work on some machines. Timings
 * inform; they decide no test.
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

function readCounts(args: readonly string[]): number[] {
  const counts = args.length === 0 ? [DEFAULT_COUNT, ...SLOPE_COUNTS] : args.map(Number);
  const areCounts = counts.every((count) => Number.isInteger(count) && count >= 1 && count <= MOST);
  if (!areCounts) throw new Error('usage: npm run bench -- COUNT...');
  return [...new Set(counts)].sort((a, b) => a - b);
}

async function main(): Promise<void> {
  const counts = readCounts(process.argv.slice(2));
  await ensureDebianPackages([...HYPERVISOR_PACKAGES, ...PEER_PACKAGES]);
  await runShown('npm', ['run', '--silent', 'build']);
  const { up: wasUp } = await daemonState();
  await startDaemon();
  const fleets = new Map<number, FleetResult & { readonly claims: readonly Claim[] }>();
  // Written after each fleet: a run takes a quarter of an hour, and may be interrupted.
  const save = async (rest: object): Promise<void> => {
    const result = { date: new Date().toISOString(), fleets: Object.fromEntries(fleets), ...rest };
    await writeFile('bench.json', `${JSON.stringify(result, null, 2)}\n`);
  };
  try {
    for (const domains of counts) {
      const result = await measureFleet(domains);
      const claims = claimsOf(domains, result);
      fleets.set(domains, { ...result, claims });
      reportSideBySide(domains, result.measurements, claims);
      await save({});
    }
  } finally {
    await cleanUp(FLEET_PREFIX);
    if (!wasUp) await stopDaemon();
  }
  console.error(`probing ${PROBED_GUESTS} guests of a fake daemon for a minute`);
  const probing = await measureProbing(PROBED_GUESTS);
  const rendering = await measureRendering(RENDERED_DOMAINS);
  const slope = slopes(fleets, SLOPE_COUNTS);
  reportSingles({ slope, rendering, probing: { guests: PROBED_GUESTS, ...probing } });
  await save({ slope, rendering, probing });
}

try {
  await main();
} catch (error) {
  if (!(error instanceof MissingPackagesError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
