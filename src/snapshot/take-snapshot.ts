import type { ConfigurationClient } from '../daemon/configuration-client.ts';
import type { GuestView } from '../guest/guest-state.ts';
import type { DomainRuns } from '../host/domain-runs.ts';
import type { Inventory } from '../inventory/inventory.ts';
import type { StatsKind, StatsReader } from '../stats/stats-reader.ts';
import { Emulators } from './emulators.ts';
import { qemuEvidence } from './qemu-evidence.ts';
import { RunVersions } from './run-versions.ts';
import type { DomainSnapshot, Snapshot } from './snapshot.ts';
import { observedStart } from './start-time.ts';

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

/** Takes a snapshot until `deadline` (performance.now() milliseconds), with the statistics that `kinds` names. */
export type TakeSnapshot = (deadline: number, kinds: ReadonlySet<StatsKind>) => Promise<Snapshot>;

/**
 * Makes the function that takes the snapshot of one scrape: one call to libvirt, further calls for changed domains, and the
 * statistics. The function rejects with LibvirtTransportError or LibvirtServerError when libvirt does not list the domains
 * in time. Statistics that are not read in time are missing from the snapshot.
 */
export function createSnapshotTaker(sources: SnapshotSources): TakeSnapshot {
  const { connected, inventory, runs, endOfLife, isKnownOs, serves, guest, stats } = sources;
  const emulators = new Emulators(inventory);
  const runVersions = new RunVersions();

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
    const vcpus = kinds.has('vcpu') ? await runs.vcpus() : undefined;
    const processes = await runs.processes();
    const measuring = stats.measure(running, kinds, {
      deadline: shareOfRest(STATS_SHARE),
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
    const installed = await emulators.view(served, hostRuns, shareOfRest(HOST_SHARE));
    const measured = await measuring;
    runVersions.keepOnly(new Set(running.map(({ uuid }) => uuid)));
    const snapshot = served.map((domain): DomainSnapshot => {
      const { uuid } = domain;
      const run = hostRuns.get(uuid);
      const version = installed.versionOf(domain);
      const start = observedStart(domain, run?.process);
      const qemu = {
        ...start,
        // At an event only the version of the default emulator is known.
        startedWithVersion: version && start.startedWithVersion,
        process: run?.process,
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
        vcpus: domain.id < 0 ? undefined : vcpus?.get(uuid),
        measured: measured.of(domain),
      };
    });
    const { pools, failed: unmeasured } = measured;
    return {
      hypervisor: installed.hypervisor,
      stateCounts,
      domains: snapshot,
      pools,
      unmeasured,
      endOfLife,
      isKnownOs,
    };
  };
}
