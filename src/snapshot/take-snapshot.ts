import type { ConfigurationClient } from '../daemon/configuration-client.ts';
import type { GuestView } from '../guest/guest-state.ts';
import type { DomainRuns } from '../host/domain-runs.ts';
import type { EmulatorFile } from '../host/emulator-file.ts';
import { EmulatorFiles } from '../host/emulator-files.ts';
import type { HostResources } from '../host/host-resources.ts';
import { PROCESS_KINDS } from '../host/process-sampler.ts';
import { withEmulatorPaths } from '../inventory/capabilities.ts';
import type { HypervisorInfo } from '../inventory/hypervisor.ts';
import type { DomainView, Inventory } from '../inventory/inventory.ts';
import { STATS, type StatsReader } from '../stats/stats-reader.ts';
import { findEmulatorPaths } from './emulator-paths.ts';
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
  const emulatorFiles = new EmulatorFiles();
  let emulators: string | undefined;

  /** libvirt has no event for an upgrade of QEMU, so a changed emulator file is the sign of an upgrade. */
  const noteEmulators = (files: ReadonlyMap<string, EmulatorFile>): void => {
    const fingerprint = JSON.stringify([...files].sort(([a], [b]) => (a < b ? -1 : 1)));
    if (emulators !== undefined && emulators !== fingerprint) inventory.refreshHypervisor();
    emulators = fingerprint;
  };

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
    const paths = await emulatorPaths(hypervisor, served, emulatorFiles);
    const binaryPath = ({ uuid, current }: DomainView): string | undefined => {
      const emulator = current?.emulator;
      const own = emulator === undefined ? undefined : (paths.get(emulator) ?? emulator);
      return hostRuns.get(uuid)?.process?.binary?.path ?? own;
    };
    const files = await emulatorFiles.read(served.flatMap((domain) => binaryPath(domain) ?? []));
    noteEmulators(files);
    const measured = await measuring;
    const snapshot = served.map((domain): DomainSnapshot => {
      const run = hostRuns.get(domain.uuid);
      const path = binaryPath(domain);
      return {
        ...domain,
        ...observedStart(domain, run?.process),
        process: run?.process,
        loggedVersion: run?.loggedVersion,
        emulatorFile: path === undefined ? undefined : files.get(path),
        guest: domain.id < 0 ? undefined : guest(domain.uuid),
        vcpus: domain.id < 0 ? undefined : vcpusOf(domain.uuid),
        processSample: domain.id < 0 ? undefined : processes.get(domain.uuid),
        blockedSeconds:
          domain.id < 0 || !kinds.has('process') ? undefined : threads?.get(domain.uuid)?.blockedSeconds,
        measured: measured.of(domain),
      };
    });
    const { pools, failed: unmeasured } = measured;
    return {
      hypervisor: withPaths(hypervisor, paths),
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
): Promise<ReadonlyMap<string, string>> {
  const capabilities = hypervisor?.capabilities;
  if (capabilities === undefined) return new Map();
  return findEmulatorPaths(
    capabilities,
    domains.flatMap(({ current }) => current ?? []),
    files,
  );
}

function withPaths(
  hypervisor: HypervisorInfo | undefined,
  paths: ReadonlyMap<string, string>,
): HypervisorInfo | undefined {
  if (hypervisor?.capabilities === undefined || paths.size === 0) return hypervisor;
  return { ...hypervisor, capabilities: withEmulatorPaths(hypervisor.capabilities, paths) };
}
