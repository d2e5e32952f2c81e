import type { Server } from 'node:http';
import type { Express } from 'express';
import type { Logger } from 'pino';
import { COLLECTORS } from './collectors/all.ts';
import { type BuildInfo, buildInfo } from './collectors/build-info.ts';
import type { ExporterConfig } from './config/config.ts';
import { BalloonPeriodSetter } from './daemon/balloon-period.ts';
import { SYSTEM_CLOCK } from './daemon/clock.ts';
import { Daemon } from './daemon/daemon.ts';
import { domainRunIds } from './daemon/domain-run-id.ts';
import type { GuestTarget } from './guest/guest-state.ts';
import { GuestProber } from './guest/prober.ts';
import { DomainRuns, HOST_PATHS } from './host/domain-runs.ts';
import { createHostResources } from './host/host-resources.ts';
import { Inventory } from './inventory/inventory.ts';
import type { DomainRef } from './libvirt/types.ts';
import { resolveUri } from './libvirt/uri.ts';
import type { Collector } from './metrics/collector.ts';
import { writeEnd, writeFamily } from './metrics/exposition.ts';
import { Scraper } from './metrics/scraper.ts';
import { createSelfMetrics, type SelfMetrics } from './metrics/self-metrics.ts';
import { type ChunkPool, TextBuffer } from './metrics/text-buffer.ts';
import { createEndOfLifeLookup, isKnownOsId, type OsinfoSources } from './osinfo/end-of-life.ts';
import { readHostOsinfoDatabase } from './osinfo/host-database.ts';
import { SHIPPED_OSINFO } from './osinfo/table.generated.ts';
import { createSnapshotTaker } from './snapshot/take-snapshot.ts';
import { StatsReader } from './stats/stats-reader.ts';
import { createApp } from './web/app.ts';
import { closeServers, listenOn } from './web/listen.ts';

/** Every domain is read again after this time, to find changes that libvirt does not announce. */
const RESYNC_MS = 5 * 60_000;
const RETRY_FAILED_MS = 15_000;
const BALLOON_PERIOD_CHECK_MS = 2_000;
const PROCESS_CHECK_MS = 2_000;

export interface Exporter {
  /** The listening servers, in the order of the configured addresses. */
  readonly servers: readonly Server[];
  readonly stop: () => Promise<void>;
}

/** The parts between libvirt and a snapshot. */
interface Parts {
  readonly daemon: Daemon;
  readonly inventory: Inventory;
  readonly runs: DomainRuns;
  readonly prober: GuestProber;
  /** Undefined when the exporter sets no periods. */
  readonly balloonPeriods: BalloonPeriodSetter | undefined;
  /** Whether the domain of this name is served. */
  readonly serves: (name: string) => boolean;
}

/**
 * Connects the parts and starts to serve. libvirt may be stopped.
 * @throws LibvirtUriError, or the system error of an address on which the exporter cannot listen
 */
export async function startExporter(
  config: ExporterConfig,
  build: BuildInfo,
  log: Logger,
): Promise<Exporter> {
  const self = createSelfMetrics();
  const parts = createParts(config, self, log);
  const osinfo = { host: await readHostOsinfoDatabase(), shipped: SHIPPED_OSINFO };
  const scraper = createScraper(config, parts, osinfo, log);
  const { daemon, prober } = parts;
  const app = createWebApp({ config, build, daemon, scraper, self, log });
  const servers = await listenOn(config.web.listenAddresses, app, (err) =>
    log.error({ err }, 'web server failed: one of its addresses may not be served'),
  );
  daemon.start();
  if (wantsGuests(config)) prober.start();
  const timers = startTimers(config, parts, log);
  return {
    servers,
    stop: async () => {
      for (const timer of timers) clearInterval(timer);
      await Promise.all([closeServers(servers), prober.stop().then(() => daemon.stop())]);
    },
  };
}

/** Starts nothing. The parts call each other only once they are started. */
function createParts(config: ExporterConfig, self: SelfMetrics, log: Logger): Parts {
  const { include, exclude } = config.domains;
  const serves = (name: string): boolean => include.test(name) && exclude?.test(name) !== true;
  const runs = new DomainRuns(HOST_PATHS);
  const daemon: Daemon = new Daemon({
    target: resolveUri(config.libvirt.uri, { ...process.env, uid: process.getuid?.() ?? -1 }),
    timeoutMs: config.libvirt.timeoutMs,
    onCallSent: self.countCall,
    onDomainEvent: (event) => {
      if (event.kind === 'tunable') runs.quotaChanged(event.domain.uuid);
      inventory.handleEvent(event);
      prober.handleEvent(event);
    },
    onConnected: (client) => {
      runs.forget();
      balloonPeriods?.forget();
      inventory.connected(client);
    },
    onDisconnected: self.countDisconnect,
    log,
  });
  const isUnresponsive = (domain: DomainRef): boolean => daemon.unresponsive.has(domain);
  const inventory: Inventory = new Inventory({ log, isUnresponsive });
  const prober: GuestProber = new GuestProber({
    ...config.guest,
    commandTimeoutMs: config.guest.timeoutSeconds * 1000,
    filesystems: config.collectors.has('guest-filesystem'),
    targets: () => guestTargets(parts),
    send: (domain) => (command) => daemon.agents.command(domain, command, config.guest.timeoutSeconds),
    isRefused: () => daemon.agents.isRefused,
    log,
  });
  const balloonPeriods: BalloonPeriodSetter | undefined =
    config.balloonStatsPeriod === undefined
      ? undefined
      : new BalloonPeriodSetter({
          set: (domain, seconds) => daemon.agents.setMemoryStatsPeriod(domain, seconds),
          seconds: config.balloonStatsPeriod,
          clock: SYSTEM_CLOCK,
          log,
        });
  const parts: Parts = { daemon, inventory, runs, prober, balloonPeriods, serves };
  return parts;
}

function createScraper(
  config: ExporterConfig,
  { daemon, inventory, runs, prober, serves }: Parts,
  osinfo: OsinfoSources,
  log: Logger,
): Scraper {
  const takeSnapshot = createSnapshotTaker({
    connected: () => daemon.connected(),
    inventory,
    runs,
    hostResources: createHostResources(HOST_PATHS),
    endOfLife: createEndOfLifeLookup(osinfo),
    isKnownOs: (osId) => isKnownOsId(osId, osinfo),
    serves,
    guest: (uuid) => prober.view(uuid),
    stats: new StatsReader({ client: daemon.statistics, unresponsive: daemon.unresponsive, log }),
  });
  return new Scraper({ collectors: enabledCollectors(config), takeSnapshot, log });
}

interface WebAppParts {
  readonly config: ExporterConfig;
  readonly build: BuildInfo;
  readonly daemon: Daemon;
  readonly scraper: Scraper;
  readonly self: SelfMetrics;
  readonly log: Logger;
}

function createWebApp({ config, build, daemon, scraper, self, log }: WebAppParts): Express {
  const chunks: ChunkPool = [];
  return createApp({
    telemetryPath: config.web.telemetryPath,
    version: build.version,
    collectors: enabledCollectors(config).map(({ name }) => name),
    isReady: () => daemon.isAnswering,
    log,
    scrape: async (request) => {
      const out = new TextBuffer(chunks);
      await scraper.scrape(out, request);
      for (const family of [buildInfo(build), ...(await self.families())])
        writeFamily(out, family, request.format);
      writeEnd(out, request.format);
      return out;
    },
  });
}

/** Starts the work that is done between scrapes. */
function startTimers(config: ExporterConfig, parts: Parts, log: Logger): NodeJS.Timeout[] {
  const { inventory, balloonPeriods } = parts;
  const every = (ms: number, work: () => Promise<void>): NodeJS.Timeout =>
    setInterval(() => {
      work().catch((error: unknown) => log.debug({ err: error }, 'background work was interrupted'));
    }, ms);
  const timers = [
    every(RESYNC_MS, () => inventory.resync()),
    every(RETRY_FAILED_MS, () => inventory.retryFailed()),
  ];
  if (wantsGuests(config)) timers.push(setInterval(() => noteProcessStates(parts), PROCESS_CHECK_MS));
  if (balloonPeriods !== undefined)
    timers.push(every(BALLOON_PERIOD_CHECK_MS, () => setMissingPeriods(balloonPeriods, parts)));
  return timers;
}

/** Guests are probed between scrapes, too: a guest whose QEMU is stopped must not be. */
function noteProcessStates({ daemon, inventory, runs }: Parts): void {
  for (const domain of inventory.running()) {
    const state = runs.processState(domain);
    if (state !== undefined) daemon.unresponsive.noteProcessState(domain, state);
  }
}

async function setMissingPeriods(
  balloonPeriods: BalloonPeriodSetter,
  { daemon, inventory, serves }: Parts,
): Promise<void> {
  const running = [...inventory.running()].filter(({ name }) => serves(name));
  balloonPeriods.keepOnly(domainRunIds(running));
  const silent = running.filter(
    (domain) => domain.current?.balloonPeriodSeconds === 0 && !daemon.unresponsive.has(domain),
  );
  for (const domain of await balloonPeriods.apply(silent)) inventory.reread(domain);
}

function enabledCollectors(config: ExporterConfig): Collector[] {
  return COLLECTORS.filter(({ name }) => config.collectors.has(name));
}

/** Whether an enabled collector serves values from inside guests. */
function wantsGuests(config: ExporterConfig): boolean {
  const guestCollectors = COLLECTORS.map(({ name }) => name).filter((name) => name.startsWith('guest-'));
  return ['os', ...guestCollectors].some((name) => config.collectors.has(name));
}

function guestTargets({ daemon, inventory, runs, serves }: Parts): GuestTarget[] {
  const served = [...inventory.running()].filter(({ name }) => serves(name));
  const now = Date.now() / 1000;
  if (served.some(({ uuid, id }) => runs.known(uuid)?.id !== id)) void runs.lookUp(served);
  return served.flatMap(({ uuid, name, id, current }) => {
    if (current === undefined) return [];
    const { agentChannel, guestProbeOff: optedOut } = current;
    const process = runs.known(uuid)?.process;
    const cpuShare = process && process.cpuSeconds / Math.max(1, now - process.startSeconds);
    const unresponsive = daemon.unresponsive.has({ uuid, id });
    const vcpus = current.cpu.maximum;
    return [{ uuid, name, id, agentChannel, optedOut, vcpus, cpuShare, unresponsive }];
  });
}
