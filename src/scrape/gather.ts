import type { GuestView } from '../guest/guest-state.ts';
import type { DomainRuns, RunKey } from '../host/domain-runs.ts';
import { type EmulatorFile, readEmulatorFile } from '../host/emulator-file.ts';
import type { DomainView, Inventory } from '../inventory/inventory.ts';
import type { LibvirtSession } from '../libvirt/session.ts';
import type { BalloonStats, DomainFacts, ScrapeFacts } from './facts.ts';

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
  /** The balloon's statistics of this run of a domain, as far as they are wanted and known. */
  readonly balloon: (run: RunKey) => BalloonStats | undefined;
}

/**
 * Makes the function that gathers what a scrape needs: one call to libvirt, and more only for what changed
 * since the last scrape. It rejects with LibvirtTransportError or LibvirtServerError when libvirt does not
 * answer until `deadline` (performance.now() milliseconds).
 */
export function createGatherer(sources: FactSources): (deadline: number) => Promise<ScrapeFacts> {
  const { session, inventory, runs, endOfLife, isKnownOs, serves, guest, balloon } = sources;
  let emulators: string | undefined;

  /** libvirt announces no upgrade of QEMU: that its file is another one is what tells. */
  const noteEmulators = (files: ReadonlyMap<string, EmulatorFile>): void => {
    const fingerprint = JSON.stringify([...files].sort(([a], [b]) => (a < b ? -1 : 1)));
    if (emulators !== undefined && emulators !== fingerprint) inventory.refreshHypervisor();
    emulators = fingerprint;
  };

  return async (deadline) => {
    const client = await session.connected();
    const { hypervisor, domains } = await inventory.snapshot(client, deadline);
    const stateCounts = new Map<number, number>();
    for (const { state } of domains) stateCounts.set(state, (stateCounts.get(state) ?? 0) + 1);

    const served = domains.filter(({ name }) => serves(name));
    const runFacts = await runs.lookUp(served.filter(({ id }) => id >= 0));
    const binaryPath = (domain: DomainView): string | undefined =>
      runFacts.get(domain.uuid)?.process?.binary?.path ?? domain.current?.emulator;
    const files = await readFiles(new Set(served.map(binaryPath)));
    noteEmulators(files);
    const facts = served.map((domain): DomainFacts => {
      const run = runFacts.get(domain.uuid);
      const path = binaryPath(domain);
      return {
        ...domain,
        process: run?.process,
        loggedVersion: run?.loggedVersion,
        emulatorFile: path === undefined ? undefined : files.get(path),
        guest: domain.id < 0 ? undefined : guest(domain.uuid),
        balloon: domain.id < 0 ? undefined : balloon(domain),
      };
    });
    return { hypervisor, stateCounts, domains: facts, endOfLife, isKnownOs };
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
