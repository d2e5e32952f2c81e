import type { EmulatorFile } from '../host/emulator-file.ts';
import { EmulatorFiles } from '../host/emulator-files.ts';
import { type Capabilities, listedEmulators } from '../inventory/capabilities.ts';
import type { DomainConfig } from '../inventory/domain-config.ts';
import { decisiveStore, type FileStates, startFiles } from './next-start.ts';

interface CheckedFiles {
  /** The emulators: those that domains run, and those that libvirt lists. */
  readonly emulators: FileStates;
  /** All files that starts need. Empty where the exporter does not see the host's files. */
  readonly forStarts: FileStates;
}

/** Reads the state of the host's files that domains run and start with, again for each scrape. */
export class HostFiles {
  readonly files = new EmulatorFiles();
  /**
   * Whether an emulator that libvirt lists was ever seen. In a container the exporter may see other files than libvirt does,
   * and a file that does not exist there is not missing on the host.
   */
  #seesHost = false;
  #hasOtherRoot = false;

  /**
   * A running domain's binary, as the exporter sees it, and the path in the domain's configuration. Where the former ends
   * with the latter, libvirt runs in a root directory of its own, and its paths are not those of the exporter.
   */
  noteBinary(seenPath: string, configuredPath: string): void {
    this.#hasOtherRoot ||= seenPath !== configuredPath && seenPath.endsWith(configuredPath);
  }

  /**
   * @param binaries paths of the emulators that domains run
   * @param configs configurations of the next starts
   */
  async check(
    capabilities: Capabilities | undefined,
    binaries: readonly string[],
    configs: readonly DomainConfig[],
  ): Promise<CheckedFiles> {
    const listed =
      capabilities === undefined ? [] : listedEmulators(capabilities).map(({ emulator }) => emulator);
    const files = await this.files.check([...binaries, ...listed, ...configs.flatMap(startFiles)]);
    this.#seesHost ||= listed.some((path) => typeof files.get(path) === 'object');
    const emulators = new Map<string, EmulatorFile | 'missing'>();
    for (const path of [...binaries, ...listed]) {
      const file = files.get(path);
      if (file !== undefined) emulators.set(path, file);
    }
    if (!this.#seesHost || this.#hasOtherRoot) return { emulators, forStarts: new Map() };
    const stores = configs.flatMap((config) => decisiveStore(config, files) ?? []);
    const storeFiles = stores.length === 0 ? [] : await this.files.check(stores);
    return { emulators, forStarts: new Map([...files, ...storeFiles]) };
  }
}
