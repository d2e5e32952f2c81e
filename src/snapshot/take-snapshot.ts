import type { ConfigurationClient } from '../daemon/configuration-client.ts';
import { domainRunIds } from '../daemon/domain-run-id.ts';
import type { GuestView } from '../guest/guest-state.ts';
import type { DomainRuns } from '../host/domain-runs.ts';
import type { HostResources } from '../host/host-resources.ts';
import { PROCESS_KINDS } from '../host/process-sampler.ts';
import { SameFiles } from '../host/same-files.ts';
import type { DomainView, Inventory } from '../inventory/inventory.ts';
import { type Measured, STATS, type StatsReader } from '../stats/stats-reader.ts';
import { differingPaths } from './differing-paths.ts';
import { Emulators } from './emulators.ts';
import { qemuEvidence } from './qemu-evidence.ts';
import { RunVersions } from './run-versions.ts';
import { ShownConfiguration } from './shown-configuration.ts';
import type { DomainSnapshot, Snapshot, SnapshotKind } from './snapshot.ts';
import { observedStart, StartTimes } from './start-time.ts';

export interface SnapshotSources {
  /** The connected client; rejects when libvirt cannot be reached. */
  readonly connected: () => Promise<ConfigurationClient>;
  readonly inventory: Inventory;
  readonly runs: DomainRuns;
  readonly hostResources: () => HostResources;
  readonly endOfLife: Snapshot['endOfLife'];
  readonly isKnownOs: Snapshot['isKnownOs'];
  /** Whether a domain of this name is served. */
  readonly serves: (name: string) => boolean;
  /** Result of a guest's last probe, by the domain's uuid. */
  readonly guest: (uuid: string) => GuestView | undefined;
  readonly stats: StatsReader;
}

/** Deadlines of the steps after the listing, as shares of the scrape's remaining time; the rest is for the response. */
const HOST_SHARE = 0.3;
const STATS_SHARE = 0.8;
/** Configurations that are read again after the statistics have shown a change get this part of the time that is left. */
const REREAD_SHARE = 0.5;
const LONGEST_REREAD_MS = 500;
/** Domains that are read again in one scrape. */
const MAX_REREAD = 64;

/** virDomainState, and virDomainPausedReason. */
const PAUSED = 3;
const PAUSED_IOERROR = 5;

/** Takes a snapshot until `deadline` (performance.now() milliseconds), with the values that `kinds` names. */
export type TakeSnapshot = (deadline: number, kinds: ReadonlySet<SnapshotKind>) => Promise<Snapshot>;

/**
 * Makes the function that takes the snapshot of one scrape: one call to libvirt, further calls for changed domains, and the
 * statistics. The function rejects with LibvirtTransportError or LibvirtServerError when libvirt does not list the domains
 * in time. Statistics that are not read in time are missing from the snapshot.
 */
export function createSnapshotTaker(sources: SnapshotSources): TakeSnapshot {
  const { connected, inventory, runs, hostResources, endOfLife, isKnownOs, serves, guest, stats } = sources;
  const emulators = new Emulators(inventory);
  const runVersions = new RunVersions();
  const sameFiles = new SameFiles();
  const startTimes = new StartTimes();
  const shown = new ShownConfiguration();

  /** Reads the configurations again that the statistics show to be outdated. */
  const rereadOutdated = async (
    running: readonly DomainView[],
    measured: Measured,
    vcpusOf: (uuid: string) => DomainSnapshot['vcpus'],
    deadline: number,
  ): Promise<void> => {
    const outdated = running.filter((domain) => {
      const result = measured.of(domain);
      if (domain.current === undefined || result?.complete !== true || result.stats === undefined)
        return false;
      const { images, vcpuCounts } = result.stats;
      const count = vcpusOf(domain.uuid)?.size ?? vcpuCounts.get('current');
      return shown.isOutdated(domain, domain.current, { vcpus: count, images });
    });
    for (const domain of outdated.slice(0, MAX_REREAD)) inventory.reread(domain);
    if (outdated.length === 0) return;
    const now = performance.now();
    await inventory.settled(now + Math.min(LONGEST_REREAD_MS, REREAD_SHARE * (deadline - now)));
  };

  return async (deadline, kinds) => {
    const client = await connected();
    const { domains } = await inventory.snapshot(client, deadline);
    const stateCounts = new Map<number, number>();
    for (const { state } of domains) stateCounts.set(state, (stateCounts.get(state) ?? 0) + 1);

    const served = domains.filter(({ name }) => serves(name));
    const running = served.filter(({ id }) => id >= 0);
    const begun = performance.now();
    const shareOfRest = (share: number): number => begun + share * (deadline - begun);
    const hostRuns = await runs.lookUp(running, shareOfRest(HOST_SHARE));
    const host = kinds.has('host') || kinds.has('pressure') ? hostResources() : undefined;
    const processes = await runs.processes({
      kinds: new Set(PROCESS_KINDS.filter((kind) => kinds.has(kind))),
      hostPressure: host?.pressure ?? new Map(),
    });
    const threads = kinds.has('vcpu') || kinds.has('process') ? await runs.threads(processes) : undefined;
    const vcpusOf = (uuid: string): DomainSnapshot['vcpus'] => {
      const vcpus = kinds.has('vcpu') ? threads?.get(uuid)?.vcpus : undefined;
      return vcpus?.size === 0 ? undefined : vcpus;
    };
    const statsKinds = new Set(STATS.filter((kind) => kinds.has(kind)));
    const stopped = new Set(running.filter(isStoppedByDisk).map(({ uuid }) => uuid));
    const measuring = stats.measure(running, statsKinds, {
      deadline: shareOfRest(STATS_SHARE),
      isStoppedByDisk: ({ uuid }) => stopped.has(uuid),
      shutOff: served.flatMap(({ uuid, name, id, current }) =>
        id < 0 && current !== undefined ? [{ domain: { uuid, name, id }, config: current }] : [],
      ),
      host: ({ uuid }) => {
        const process = processes.get(uuid);
        return {
          processState: process?.state,
          cpu: process?.cpu,
          hasCpuTimes: runs.known(uuid)?.process?.cpuSource !== undefined,
          hasVcpus: vcpusOf(uuid) !== undefined,
        };
      },
    });
    const installed = await emulators.view(served, hostRuns, shareOfRest(HOST_SHARE));
    const isSameFile = await sameFiles.lookUp(
      running.flatMap(({ current, persistent }) =>
        current === undefined || persistent === undefined ? [] : differingPaths(current, persistent),
      ),
    );
    const measured = await measuring;
    const runIds = domainRunIds(running);
    startTimes.keepOnly(runIds);
    shown.keepOnly(runIds);
    runVersions.keepOnly(new Set(running.map(({ uuid }) => uuid)));
    await rereadOutdated(running, measured, vcpusOf, deadline);
    const snapshot = inventory.latest(served).map((domain): DomainSnapshot => {
      const { uuid } = domain;
      const run = hostRuns.get(uuid);
      const version = installed.versionOf(domain);
      const start = observedStart(domain, run?.process);
      const qemu = {
        ...start,
        // At an event only the version of the default emulator is known.
        startedWithVersion: version && start.startedWithVersion,
        process: run?.process,
        startSeconds: startTimes.of(domain, run?.process?.startSeconds, start.startObservedSeconds),
        loggedVersion: run?.loggedVersion,
        emulatorFile: installed.fileOf(domain),
        installedVersion: installed.isVersionCurrent(domain) ? version : undefined,
      };
      const rememberedVersion = runVersions.of(uuid, run?.process);
      runVersions.note(uuid, run?.process, qemuEvidence(qemu));
      return {
        ...domain,
        ...qemu,
        rememberedVersion,
        nextStart: installed.nextStart(domain),
        guest: domain.id < 0 ? undefined : guest(uuid),
        vcpus: domain.id < 0 ? undefined : vcpusOf(uuid),
        processSample: domain.id < 0 ? undefined : processes.get(uuid),
        blockedSeconds:
          domain.id < 0 || !kinds.has('process') ? undefined : threads?.get(uuid)?.blockedSeconds,
        measured: measured.of(domain),
      };
    });
    const { pools, failed: unmeasured } = measured;
    return {
      hypervisor: installed.hypervisor,
      stateCounts,
      host: kinds.has('host') ? host : undefined,
      domains: snapshot,
      pools,
      unmeasured,
      isSameFile: (a, b) => isSameFile(a, b) || installed.isSameEmulator(a, b),
      endOfLife,
      isKnownOs,
    };
  };
}

/** QEMU 7.2 goes on reporting an error after the domain was resumed, so the reason alone decides (observed with libvirt 9.0). */
function isStoppedByDisk({ state, reason }: DomainView): boolean {
  return state === PAUSED && reason === PAUSED_IOERROR;
}
