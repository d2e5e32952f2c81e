import { settledWithin } from '../concurrency.ts';
import { type EmulatorFile, readEmulatorFile } from './emulator-file.ts';

/** All looks of one scrape together: a file system that hangs costs a scrape this, and the next ones nothing. */
const PATIENCE_MS = 500;
/** Each look that hangs holds one of Node's four threads for files. */
const MAX_HANGING = 2;

/** Looks at emulators' files anew for each scrape, without ever hanging on a file system that does. */
export class EmulatorFiles {
  readonly #look: typeof readEmulatorFile;
  readonly #hanging = new Map<string, Promise<unknown>>();

  constructor(look: typeof readEmulatorFile = readEmulatorFile) {
    this.#look = look;
  }

  /** The files that can be seen, by path. */
  async read(paths: Iterable<string>): Promise<ReadonlyMap<string, EmulatorFile>> {
    const until = performance.now() + PATIENCE_MS;
    const files = new Map<string, EmulatorFile>();
    for (const path of new Set(paths)) {
      if (this.#hanging.has(path) || this.#hanging.size >= MAX_HANGING) continue;
      const look = this.#look(path).then((file) => {
        this.#hanging.delete(path);
        return file;
      });
      this.#hanging.set(path, look);
      if (!(await settledWithin(look, Math.max(0, until - performance.now())))) continue;
      const file = await look;
      if (file !== undefined) files.set(path, file);
    }
    return files;
  }
}
