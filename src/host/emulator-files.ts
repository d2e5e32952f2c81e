import { settledWithin } from '../concurrency.ts';
import { type EmulatorFile, readEmulatorFile } from './emulator-file.ts';

/** Time for all files of one scrape together. Later scrapes do not wait for a file system that hangs. */
const TIMEOUT_MS = 500;
/** A read that hangs occupies one of the four threads that Node.js has for files. */
const MAX_HANGING = 2;

/** Reads the emulators' files again for each scrape; does not wait for a file system that hangs. */
export class EmulatorFiles {
  readonly #readFile: typeof readEmulatorFile;
  readonly #hanging = new Map<string, Promise<unknown>>();

  constructor(readFile: typeof readEmulatorFile = readEmulatorFile) {
    this.#readFile = readFile;
  }

  /** The files that the exporter can see, by path. */
  async read(paths: Iterable<string>): Promise<ReadonlyMap<string, EmulatorFile>> {
    const files = new Map<string, EmulatorFile>();
    for (const [path, file] of await this.check(paths)) if (file !== 'missing') files.set(path, file);
    return files;
  }

  /** The same, with the files that do not exist. A path is left out when the exporter cannot see whether it exists. */
  async check(paths: Iterable<string>): Promise<ReadonlyMap<string, EmulatorFile | 'missing'>> {
    const until = performance.now() + TIMEOUT_MS;
    const files = new Map<string, EmulatorFile | 'missing'>();
    for (const path of new Set(paths)) {
      if (this.#hanging.has(path) || this.#hanging.size >= MAX_HANGING) continue;
      const pending = this.#readFile(path).then((file) => {
        this.#hanging.delete(path);
        return file;
      });
      this.#hanging.set(path, pending);
      if (!(await settledWithin(pending, Math.max(0, until - performance.now())))) continue;
      const file = await pending;
      if (file !== undefined) files.set(path, file);
    }
    return files;
  }
}
