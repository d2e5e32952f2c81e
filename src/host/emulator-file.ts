import { stat } from 'node:fs/promises';

/** The file at an emulator's path at one moment, with symbolic links followed. */
export interface EmulatorFile {
  /** Device and inode identify the binary. */
  readonly dev: number;
  readonly ino: number;
  /** Unix time in seconds at which the inode was created; undefined where the file system has no birth times. */
  readonly bornSeconds: number | undefined;
  /** Unix time in seconds of the last change of any kind: content, name, owner, mode or label. */
  readonly changedSeconds: number;
}

/** Reads a file's status; undefined when there is no file or the exporter cannot see it. */
export async function readEmulatorFile(path: string): Promise<EmulatorFile | undefined> {
  try {
    const { dev, ino, birthtimeMs, ctimeMs } = await stat(path);
    const bornSeconds = birthtimeMs > 0 ? birthtimeMs / 1000 : undefined;
    return { dev, ino, bornSeconds, changedSeconds: ctimeMs / 1000 };
  } catch {
    return undefined;
  }
}
