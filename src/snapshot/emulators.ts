import { settledWithin } from '../concurrency.ts';
import type { DomainRun } from '../host/domain-runs.ts';
import type { EmulatorFile } from '../host/emulator-file.ts';
import { withEmulatorPaths } from '../inventory/capabilities.ts';
import { createVersionLookup, type HypervisorInfo } from '../inventory/hypervisor.ts';
import type { DomainView, Inventory } from '../inventory/inventory.ts';
import { EmulatorChanges } from './emulator-changes.ts';
import { findEmulatorPaths } from './emulator-paths.ts';
import { HostFiles } from './host-files.ts';
import { createNextStart, type NextStart, nextConfig } from './next-start.ts';

/** libvirt examines a changed emulator within a second or two. A scrape waits for this long at most. */
const EXAMINE_MS = 1_000;

/** What one scrape sees of the installed emulators. */
export interface EmulatorView {
  /** With the capabilities under the emulator paths that domains use. */
  readonly hypervisor: HypervisorInfo | undefined;
  /** The file that is installed at the path of the domain's binary. */
  readonly fileOf: (domain: DomainView) => EmulatorFile | undefined;
  /** Version of the domain's emulator as last known; undefined for all but the host's default emulator. */
  readonly versionOf: (domain: DomainView) => string | undefined;
  /** Whether the last known version is that of the file that is installed now. */
  readonly isVersionCurrent: (domain: DomainView) => boolean;
  readonly nextStart: (domain: DomainView) => NextStart;
  /** Whether capabilities describe the same emulator under both paths. */
  readonly isSameEmulator: (a: string, b: string) => boolean;
}

/** Reads the emulators' files for each scrape, and makes libvirt examine an emulator whose file has changed. */
export class Emulators {
  readonly #inventory: Inventory;
  readonly #hostFiles = new HostFiles();
  readonly #changes = new EmulatorChanges();
  #paths: ReadonlyMap<string, string> = new Map();

  constructor(inventory: Inventory) {
    this.#inventory = inventory;
  }

  /** Waits for libvirt until `deadline` (performance.now() milliseconds) at most. Never throws. */
  async view(
    domains: readonly DomainView[],
    runs: ReadonlyMap<string, DomainRun>,
    deadline: number,
  ): Promise<EmulatorView> {
    const before = this.#inventory.hypervisor;
    await this.#findPaths(before, domains);
    const binaryOf = ({ uuid }: DomainView): string | undefined => runs.get(uuid)?.process?.binary?.path;
    const pathOf = (domain: DomainView): string | undefined => binaryOf(domain) ?? this.#ownPath(domain);
    for (const domain of domains) {
      const [seen, configured] = [binaryOf(domain), domain.current?.emulator];
      if (seen !== undefined && configured !== undefined) this.#hostFiles.noteBinary(seen, configured);
    }
    const { emulators, forStarts } = await this.#hostFiles.check(
      before?.capabilities,
      domains.flatMap((domain) => pathOf(domain) ?? []),
      domains.flatMap((domain) => nextConfig(domain) ?? []),
    );
    if (this.#changes.note(emulators, before?.versionReadAt)) {
      const remainingMs = Math.max(0, deadline - performance.now());
      await settledWithin(this.#inventory.refreshHypervisor(), Math.min(EXAMINE_MS, remainingMs));
    }
    const hypervisor = withPaths(this.#inventory.hypervisor, this.#paths);
    const versionOf = createVersionLookup(hypervisor);
    const paths = this.#paths;
    const emulatorAt = (path: string): string => paths.get(path) ?? path;
    return {
      hypervisor,
      fileOf: (domain) => {
        const file = emulators.get(pathOf(domain) ?? '');
        return file === 'missing' ? undefined : file;
      },
      versionOf: ({ current }) => current && versionOf(current),
      isVersionCurrent: (domain) => this.#changes.isCurrent(pathOf(domain) ?? '', hypervisor?.versionReadAt),
      nextStart: createNextStart(hypervisor?.capabilities, forStarts),
      isSameEmulator: (a, b) => emulatorAt(a) === emulatorAt(b),
    };
  }

  #ownPath({ current }: DomainView): string | undefined {
    const emulator = current?.emulator;
    return emulator === undefined ? undefined : (this.#paths.get(emulator) ?? emulator);
  }

  async #findPaths(hypervisor: HypervisorInfo | undefined, domains: readonly DomainView[]): Promise<void> {
    const capabilities = hypervisor?.capabilities;
    if (capabilities === undefined) return;
    const configs = domains.flatMap((domain) => [domain.current, nextConfig(domain)]);
    this.#paths = await findEmulatorPaths(
      capabilities,
      configs.filter((config) => config !== undefined),
      this.#hostFiles.files,
      this.#paths,
    );
  }
}

function withPaths(
  hypervisor: HypervisorInfo | undefined,
  paths: ReadonlyMap<string, string>,
): HypervisorInfo | undefined {
  if (hypervisor?.capabilities === undefined || paths.size === 0) return hypervisor;
  return { ...hypervisor, capabilities: withEmulatorPaths(hypervisor.capabilities, paths) };
}
