import type { GuestView } from '../guest/guest-state.ts';
import type { DomainRuns } from '../host/domain-runs.ts';
import { type EmulatorFile, readEmulatorFile } from '../host/emulator-file.ts';
import type { DomainView, Inventory } from '../inventory/inventory.ts';
import type { LibvirtSession } from '../libvirt/session.ts';
import type { StatsKind, StatsReader } from '../stats/stats-reader.ts';
import type { DomainFacts, ScrapeFacts } from './facts.ts';

export interface FactSources {
  readonly session: LibvirtSession;
  readonly inventory: Inventory;
  readonly runs: DomainRuns;
  readonly endOfLife: ScrapeFacts['endOfLife'];
  readonly isKnownOs: ScrapeFacts['isKnownOs'];
  /** Whether a domain of this name is served. */
  readonly serves: (name: string) => boolean;
  /** What a guest said last, by the domain's uuid. */
  readonly guest: (uuid: string) => GuestView | undefined;
  readonly stats: StatsReader;
}

/** The rest of the time is for what was measured to be served. */
const MEASURING_SHARE = 0.8;

/** Gathers facts until `deadline` (performance.now() milliseconds), with those measurements that `kinds` names. */
export type Gather = (deadline: number, kinds: ReadonlySet<StatsKind>) => Promise<ScrapeFacts>;

/**
 * Makes the function that gathers what a scrape needs: one call to libvirt, more for what changed since the last
 * scrape, and the measurements. It rejects with LibvirtTransportError or LibvirtServerError when libvirt does not
 * answer in time; measurements that are late are only missing.
 */
export function createGatherer(sources: FactSources): Gather {
  const { session, inventory, runs, endOfLife, isKnownOs, serves, guest, stats } = sources;
  let emulators: string | undefined;

  /** libvirt announces no upgrade of QEMU: that its file is another one is what tells. */
  const noteEmulators = (files: ReadonlyMap<string, EmulatorFile>): void => {
    const fingerprint = JSON.stringify([...files].sort(([a], [b]) => (a < b ? -1 : 1)));
    if (emulators !== undefined && emulators !== fingerprint) inventory.refreshHypervisor();
    emulators = fingerprint;
  };

  return async (deadline, kinds) => {
    const client = await session.connected();
    const { hypervisor, domains } = await inventory.snapshot(client, deadline);
    const stateCounts = new Map<number, number>();
    for (const { state } of domains) stateCounts.set(state, (stateCounts.get(state) ?? 0) + 1);

    const served = domains.filter(({ name }) => serves(name));
    const running = served.filter(({ id }) => id >= 0);
    const begun = performance.now();
    const runFacts = await runs.lookUp(running);
    const vcpus = kinds.has('vcpu') ? await runs.vcpus() : undefined;
    const measuring = stats.measure(running, kinds, {
      deadline: begun + MEASURING_SHARE * (deadline - begun),
      hasVcpus: ({ uuid }) => vcpus?.has(uuid) === true,
    });
    const binaryPath = (domain: DomainView): string | undefined =>
      runFacts.get(domain.uuid)?.process?.binary?.path ?? domain.current?.emulator;
    const files = await readFiles(new Set(served.map(binaryPath)));
    noteEmulators(files);
    const measured = await measuring;
    const facts = served.map((domain): DomainFacts => {
      const run = runFacts.get(domain.uuid);
      const path = binaryPath(domain);
      return {
        ...domain,
        process: run?.process,
        loggedVersion: run?.loggedVersion,
        emulatorFile: path === undefined ? undefined : files.get(path),
        guest: domain.id < 0 ? undefined : guest(domain.uuid),
        vcpus: domain.id < 0 ? undefined : vcpus?.get(domain.uuid),
        measured: measured.of(domain),
      };
    });
    const { pools, failed: unmeasured } = measured;
    return { hypervisor, stateCounts, domains: facts, pools, unmeasured, endOfLife, isKnownOs };
  };
}

async function readFiles(paths: ReadonlySet<string | undefined>): Promise<ReadonlyMap<string, EmulatorFile>> {
  const files = new Map<string, EmulatorFile>();
  for (const path of paths) {
    const file = path === undefined ? undefined : await readEmulatorFile(path);
    if (path !== undefined && file !== undefined) files.set(path, file);
  }
  return files;
}
