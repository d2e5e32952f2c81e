import { writeFile } from 'node:fs/promises';
import { LibvirtClient } from '../../src/libvirt/client.ts';
import { resolveUri } from '../../src/libvirt/uri.ts';
import { cleanUp } from '../rig/clean-up.ts';
import { daemonState, startDaemon, stopDaemon } from '../rig/daemon.ts';
import { runShown } from '../rig/exec.ts';
import { startFleet } from '../rig/fleet.ts';
import { ensureDebianPackages, HYPERVISOR_PACKAGES, MissingPackagesError } from '../rig/packages.ts';
import { type ExporterProcess, startExporterProcess } from '../support/exporter-process.ts';
import { Exposition } from '../support/exposition.ts';
import { measureProbing } from './guest-bench.ts';
import { cpuSeconds, residentMb } from './process-usage.ts';

/**
 * `npm run bench [-- COUNT]`: what a scrape costs on a fleet of halted domains, beside the bare call to
 * libvirt that any exporter has to make. Timings inform; they decide no test.
 */

const WARM_UP = 10;
const SCRAPES = 100;
const FLEET_PREFIX = 'rig-bench-';

interface Result {
  readonly domains: number;
  readonly series: number;
  readonly scrapeMedianMs: number;
  readonly scrapeP95Ms: number;
  readonly cpuPerScrapeMs: number;
  readonly residentMb: number;
  readonly rpcCallsPerScrape: number;
  readonly floorMedianMs: number;
  readonly probingCpuPercent: number;
  readonly probingCommandsPerSecond: number;
}

function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

async function timed(times: number, work: () => Promise<unknown>): Promise<number[]> {
  const durations: number[] = [];
  for (let index = 0; index < times; index++) {
    const begun = performance.now();
    await work();
    durations.push(performance.now() - begun);
  }
  return durations;
}

const rpcCalls = (text: string): number =>
  new Exposition(text).all('libvirt_exporter_rpc_calls_total').reduce((sum, { value }) => sum + value, 0);

async function measureExporter(
  exporter: ExporterProcess,
  pid: number,
): Promise<Omit<Result, 'domains' | 'floorMedianMs' | 'probingCpuPercent' | 'probingCommandsPerSecond'>> {
  await timed(WARM_UP, exporter.scrapeText);
  const before = rpcCalls(await exporter.scrapeText());
  const cpuBefore = await cpuSeconds(pid);
  const durations = await timed(SCRAPES, exporter.scrapeText);
  const cpu = (await cpuSeconds(pid)) - cpuBefore;
  const last = await exporter.scrapeText();
  return {
    series: new Exposition(last).samples.length,
    scrapeMedianMs: quantile(durations, 0.5),
    scrapeP95Ms: quantile(durations, 0.95),
    cpuPerScrapeMs: (cpu * 1000) / SCRAPES,
    residentMb: await residentMb(pid),
    rpcCallsPerScrape: (rpcCalls(last) - before) / (SCRAPES + 1),
  };
}

/** The one call that tells all domains' states, without an exporter around it. */
async function measureFloor(): Promise<number> {
  const client = await LibvirtClient.connect({
    target: resolveUri('qemu:///system', { uid: 0 }),
    timeoutMs: 30_000,
    onCallSent: () => undefined,
    onClose: () => undefined,
    onDomainEvent: () => undefined,
  });
  try {
    await timed(WARM_UP, () => client.domainStates());
    return quantile(await timed(SCRAPES, () => client.domainStates()), 0.5);
  } finally {
    await client.close();
  }
}

function report(result: Result): void {
  const rows: [string, string][] = [
    ['running domains', String(result.domains)],
    ['series', String(result.series)],
    ['scrape, median', `${result.scrapeMedianMs.toFixed(1)} ms`],
    ['scrape, 95th percentile', `${result.scrapeP95Ms.toFixed(1)} ms`],
    ['CPU per scrape', `${result.cpuPerScrapeMs.toFixed(1)} ms`],
    ['resident memory', `${result.residentMb.toFixed(1)} MB`],
    ['calls to libvirt per scrape', result.rpcCallsPerScrape.toFixed(2)],
    ['bare call of the states, median', `${result.floorMedianMs.toFixed(1)} ms`],
    ['scrape / bare call', (result.scrapeMedianMs / result.floorMedianMs).toFixed(1)],
    [`probing ${result.domains} guests, of one core`, `${result.probingCpuPercent.toFixed(1)} %`],
    ['agent commands per second', result.probingCommandsPerSecond.toFixed(0)],
  ];
  for (const [what, value] of rows) console.log(`${what.padEnd(34)}${value.padStart(12)}`);
}

async function main(): Promise<void> {
  const count = Number(process.argv[2] ?? 100);
  if (!Number.isInteger(count) || count < 1 || count > 1000) throw new Error('usage: npm run bench -- COUNT');
  await ensureDebianPackages([...HYPERVISOR_PACKAGES]);
  await runShown('npm', ['run', '--silent', 'build']);
  const { up: wasUp } = await daemonState();
  await startDaemon();
  try {
    console.error(`starting ${count} halted domains`);
    await startFleet(count, { prefix: FLEET_PREFIX });
    const exporter = await startExporterProcess('--log.level=info', `--domain.include=${FLEET_PREFIX}.*`);
    try {
      const pid = exporter.child.pid;
      if (pid === undefined) throw new Error('the exporter has no process');
      const measured = await measureExporter(exporter, pid);
      const floorMedianMs = await measureFloor();
      console.error(`probing ${count} guests of a fake daemon for a minute`);
      const probing = await measureProbing(count);
      const result = {
        domains: count,
        ...measured,
        floorMedianMs,
        probingCpuPercent: probing.cpuPercent,
        probingCommandsPerSecond: probing.commandsPerSecond,
      };
      report(result);
      await writeFile(`bench-${count}.json`, `${JSON.stringify(result, null, 2)}\n`);
    } finally {
      await exporter.stop();
    }
  } finally {
    await cleanUp(FLEET_PREFIX);
    if (!wasUp) await stopDaemon();
  }
}

try {
  await main();
} catch (error) {
  if (!(error instanceof MissingPackagesError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
