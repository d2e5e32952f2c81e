import { stat } from 'node:fs/promises';

/** The file an emulator path leads to at this moment, symbolic links followed. */
export interface EmulatorFile {
  /** Device and inode: the same binary as long as both stay. */
  readonly dev: number;
  readonly ino: number;
  /** Unix time in seconds at which this inode was made; undefined where the file system keeps no birth time. */
  readonly bornSeconds: number | undefined;
  /** Unix time in seconds of the last change of any kind: content, name, owner, mode or label. */
  readonly changedSeconds: number;
}

/** Looks at a file; undefined when there is none or it cannot be seen. */
export async function readEmulatorFile(path: string): Promise<EmulatorFile | undefined> {
  try {
    const { dev, ino, birthtimeMs, ctimeMs } = await stat(path);
    const bornSeconds = birthtimeMs > 0 ? birthtimeMs / 1000 : undefined;
    return { dev, ino, bornSeconds, changedSeconds: ctimeMs / 1000 };
  } catch {
    return undefined;
  }
}
