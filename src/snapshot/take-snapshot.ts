import { settledWithin } from '../concurrency.ts';
import type { ConfigurationClient } from '../daemon/configuration-client.ts';
import type { GuestView } from '../guest/guest-state.ts';
import type { DomainRuns } from '../host/domain-runs.ts';
import type { EmulatorFiles } from '../host/emulator-files.ts';
import type { HostResources } from '../host/host-resources.ts';
import { PROCESS_KINDS } from '../host/process-sampler.ts';
import { withEmulatorPaths } from '../inventory/capabilities.ts';
import { createVersionLookup, type HypervisorInfo } from '../inventory/hypervisor.ts';
import type { DomainView, Inventory } from '../inventory/inventory.ts';
import { STATS, type StatsReader } from '../stats/stats-reader.ts';
import { EmulatorChanges } from './emulator-changes.ts';
import { findEmulatorPaths } from './emulator-paths.ts';
import { HostFiles } from './host-files.ts';
import { createNextStart, nextConfig } from './next-start.ts';
import { qemuEvidence } from './qemu-evidence.ts';
import { RunVersions } from './run-versions.ts';
import type { DomainSnapshot, Snapshot, SnapshotKind } from './snapshot.ts';
import { observedStart } from './start-time.ts';

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
/** libvirt examines a changed emulator within a second or two. A scrape waits for this long at most. */
const EXAMINE_MS = 1_000;

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
  const hostFiles = new HostFiles();
  const emulatorChanges = new EmulatorChanges();
  const runVersions = new RunVersions();
  let paths: ReadonlyMap<string, string> = new Map();

  return async (deadline, kinds) => {
    const client = await connected();
    const { hypervisor, domains } = await inventory.snapshot(client, deadline);
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
    paths = await emulatorPaths(hypervisor, served, hostFiles.files, paths);
    const binaryPath = ({ uuid, current }: DomainView): string | undefined => {
      const emulator = current?.emulator;
      const own = emulator === undefined ? undefined : (paths.get(emulator) ?? emulator);
      return hostRuns.get(uuid)?.process?.binary?.path ?? own;
    };
    for (const { uuid, current } of running) {
      const seenPath = hostRuns.get(uuid)?.process?.binary?.path;
      if (seenPath !== undefined && current?.emulator !== undefined)
        hostFiles.noteBinary(seenPath, current.emulator);
    }
    const binaries = served.flatMap((domain) => binaryPath(domain) ?? []);
    const next = served.flatMap((domain) => nextConfig(domain) ?? []);
    const { emulators, forStarts } = await hostFiles.check(hypervisor?.capabilities, binaries, next);
    if (emulatorChanges.note(emulators, hypervisor?.versionReadAt)) {
      const remainingMs = shareOfRest(HOST_SHARE) - performance.now();
      await settledWithin(inventory.refreshHypervisor(), Math.min(EXAMINE_MS, Math.max(0, remainingMs)));
    }
    const installed = withPaths(inventory.hypervisor, paths);
    const versionOf = createVersionLookup(installed);
    const nextStart = createNextStart(installed?.capabilities, forStarts);
    const measured = await measuring;
    runVersions.keepOnly(new Set(running.map(({ uuid }) => uuid)));
    const snapshot = served.map((domain): DomainSnapshot => {
      const { uuid, current } = domain;
      const run = hostRuns.get(uuid);
      const path = binaryPath(domain);
      const file = path === undefined ? undefined : emulators.get(path);
      const version = current && versionOf(current);
      const isCurrent = path === undefined || emulatorChanges.isCurrent(path, installed?.versionReadAt);
      const start = observedStart(domain, run?.process);
      const qemu = {
        ...start,
        // At an event only the version of the default emulator is known.
        startedWithVersion: version && start.startedWithVersion,
        process: run?.process,
        loggedVersion: run?.loggedVersion,
        emulatorFile: file === 'missing' ? undefined : file,
        installedVersion: isCurrent ? version : undefined,
      };
      const rememberedVersion = runVersions.of(uuid, run?.process);
      runVersions.note(uuid, run?.process, qemuEvidence(qemu));
      return {
        ...domain,
        ...qemu,
        rememberedVersion,
        nextStart: nextStart(domain),
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
      hypervisor: installed,
      stateCounts,
      host: kinds.has('host') ? host : undefined,
      domains: snapshot,
      pools,
      unmeasured,
      endOfLife,
      isKnownOs,
    };
  };
}

/** QEMU 7.2 goes on reporting an error after the domain was resumed, so the reason alone decides (observed with libvirt 9.0). */
function isStoppedByDisk({ state, reason }: DomainView): boolean {
  return state === PAUSED && reason === PAUSED_IOERROR;
}

async function emulatorPaths(
  hypervisor: HypervisorInfo | undefined,
  domains: readonly DomainView[],
  files: EmulatorFiles,
  before: ReadonlyMap<string, string>,
): Promise<ReadonlyMap<string, string>> {
  const capabilities = hypervisor?.capabilities;
  if (capabilities === undefined) return before;
  const configs = domains.flatMap((domain) => [domain.current, nextConfig(domain)]);
  return findEmulatorPaths(
    capabilities,
    configs.filter((config) => config !== undefined),
    files,
    before,
  );
}

function withPaths(
  hypervisor: HypervisorInfo | undefined,
  paths: ReadonlyMap<string, string>,
): HypervisorInfo | undefined {
  if (hypervisor?.capabilities === undefined || paths.size === 0) return hypervisor;
  return { ...hypervisor, capabilities: withEmulatorPaths(hypervisor.capabilities, paths) };
}
