import type { ConfigurationClient } from '../daemon/configuration-client.ts';
import type { GuestView } from '../guest/guest-state.ts';
import type { DomainRuns } from '../host/domain-runs.ts';
import type { EmulatorFile } from '../host/emulator-file.ts';
import { EmulatorFiles } from '../host/emulator-files.ts';
import { SameFiles } from '../host/same-files.ts';
import { withEmulatorPaths } from '../inventory/capabilities.ts';
import type { HypervisorInfo } from '../inventory/hypervisor.ts';
import type { DomainView, Inventory } from '../inventory/inventory.ts';
import type { Measured, StatsKind, StatsReader } from '../stats/stats-reader.ts';
import { differingPaths } from './differing-paths.ts';
import { findEmulatorPaths } from './emulator-paths.ts';
import { ShownConfiguration } from './shown-configuration.ts';
import type { DomainSnapshot, Snapshot } from './snapshot.ts';
import { observedStart, StartTimes } from './start-time.ts';

export interface SnapshotSources {
  /** The connected client; rejects when libvirt cannot be reached. */
  readonly connected: () => Promise<ConfigurationClient>;
  readonly inventory: Inventory;
  readonly runs: DomainRuns;
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

/** Takes a snapshot until `deadline` (performance.now() milliseconds), with the statistics that `kinds` names. */
export type TakeSnapshot = (deadline: number, kinds: ReadonlySet<StatsKind>) => Promise<Snapshot>;

/**
 * Makes the function that takes the snapshot of one scrape: one call to libvirt, further calls for changed domains, and the
 * statistics. The function rejects with LibvirtTransportError or LibvirtServerError when libvirt does not list the domains
 * in time. Statistics that are not read in time are missing from the snapshot.
 */
export function createSnapshotTaker(sources: SnapshotSources): TakeSnapshot {
  const { connected, inventory, runs, endOfLife, isKnownOs, serves, guest, stats } = sources;
  const emulatorFiles = new EmulatorFiles();
  const sameFiles = new SameFiles();
  const startTimes = new StartTimes();
  const shown = new ShownConfiguration();

  /** Reads the configurations again that the statistics show to be outdated. */
  const rereadOutdated = async (
    running: readonly DomainView[],
    measured: Measured,
    vcpus: ReadonlyMap<string, ReadonlyMap<number, unknown>> | undefined,
    deadline: number,
  ): Promise<void> => {
    const outdated = running.filter((domain) => {
      const result = measured.of(domain);
      if (domain.current === undefined || result?.complete !== true || result.stats === undefined)
        return false;
      const { images, vcpuCounts } = result.stats;
      const count = vcpus?.get(domain.uuid)?.size ?? vcpuCounts.get('current');
      return shown.isOutdated(domain, domain.current, { vcpus: count, images });
    });
    shown.keepOnly(running);
    for (const domain of outdated.slice(0, MAX_REREAD)) inventory.reread(domain);
    if (outdated.length === 0) return;
    const now = performance.now();
    await inventory.settled(now + Math.min(LONGEST_REREAD_MS, REREAD_SHARE * (deadline - now)));
  };
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
    const vcpus = kinds.has('vcpu') ? await runs.vcpus() : undefined;
    const processes = await runs.processes();
    const measuring = stats.measure(running, kinds, {
      deadline: shareOfRest(STATS_SHARE),
      shutOff: served.flatMap(({ uuid, name, id, current }) =>
        id < 0 && current !== undefined ? [{ domain: { uuid, name, id }, config: current }] : [],
      ),
      host: ({ uuid }) => {
        const process = processes.get(uuid);
        return {
          processState: process?.state,
          cpu: process?.cpu,
          hasCpuTimes: runs.known(uuid)?.process?.cpuSource !== undefined,
          hasVcpus: vcpus?.has(uuid) === true,
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
    const isSameFile = await sameFiles.lookUp(
      running.flatMap(({ current, persistent }) =>
        current === undefined || persistent === undefined ? [] : differingPaths(current, persistent),
      ),
    );
    const emulatorAt = (path: string): string => paths.get(path) ?? path;
    startTimes.keepOnly(running);
    const measured = await measuring;
    await rereadOutdated(running, measured, vcpus, deadline);
    const snapshot = inventory.latest(served).map((domain): DomainSnapshot => {
      const run = hostRuns.get(domain.uuid);
      const path = binaryPath(domain);
      const start = observedStart(domain, run?.process);
      return {
        ...domain,
        ...start,
        process: run?.process,
        startSeconds: startTimes.of(domain, run?.process?.startSeconds, start.startObservedSeconds),
        loggedVersion: run?.loggedVersion,
        emulatorFile: path === undefined ? undefined : files.get(path),
        guest: domain.id < 0 ? undefined : guest(domain.uuid),
        vcpus: domain.id < 0 ? undefined : vcpus?.get(domain.uuid),
        measured: measured.of(domain),
      };
    });
    const { pools, failed: unmeasured } = measured;
    return {
      hypervisor: withPaths(hypervisor, paths),
      stateCounts,
      domains: snapshot,
      pools,
      unmeasured,
      isSameFile: (a, b) => isSameFile(a, b) || emulatorAt(a) === emulatorAt(b),
      endOfLife,
      isKnownOs,
    };
  };
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
    domains.flatMap(({ current, persistent }) => [current ?? [], persistent ?? []].flat()),
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
