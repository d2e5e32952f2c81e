import type { EmulatorFile } from '../host/emulator-file.ts';

interface Seen {
  /** The file's identity and times; text, as it is only compared. */
  readonly fingerprint: string;
  /** When the file was certainly the current one, in performance.now() milliseconds. */
  readonly since: number;
}

/** Follows the emulators' files. libvirt has no event for an upgrade of QEMU, so a changed file is the sign of an upgrade. */
export class EmulatorChanges {
  readonly #seen = new Map<string, Seen>();

  /**
   * Compares the files with those of the last call. Returns whether libvirt has to examine an emulator again, whose
   * version was read at `versionReadAt` (performance.now() milliseconds).
   */
  note(files: ReadonlyMap<string, EmulatorFile | 'missing'>, versionReadAt: number | undefined): boolean {
    let hasChanged = false;
    for (const [path, file] of files) {
      const fingerprint = JSON.stringify(file);
      const before = this.#seen.get(path);
      if (before?.fingerprint === fingerprint) continue;
      const since = before === undefined ? changedAt(file) : performance.now();
      this.#seen.set(path, { fingerprint, since });
      hasChanged ||= before !== undefined || !isReadSince(since, versionReadAt);
    }
    return hasChanged;
  }

  /** Whether a version that libvirt returned for this emulator is that of the file which is there now. */
  isCurrent(path: string, versionReadAt: number | undefined): boolean {
    return isReadSince(this.#seen.get(path)?.since ?? Number.NEGATIVE_INFINITY, versionReadAt);
  }
}

function isReadSince(since: number, versionReadAt: number | undefined): boolean {
  return versionReadAt !== undefined && versionReadAt >= since;
}

/** Of a file that is seen for the first time: its time of change, unless the clock was set since. */
function changedAt(file: EmulatorFile | 'missing'): number {
  if (file === 'missing') return Number.NEGATIVE_INFINITY;
  const agoMs = Date.now() - file.changedSeconds * 1000;
  return agoMs < 0 ? Number.NEGATIVE_INFINITY : performance.now() - agoMs;
}
