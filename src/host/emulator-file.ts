import { stat } from 'node:fs/promises';

/** A file that libvirt starts domains with (an emulator or firmware) at one moment, with symbolic links followed. */
export interface EmulatorFile {
  /** Device and inode identify the binary. */
  readonly dev: number;
  readonly ino: number;
  /** Unix time in seconds at which the inode was created; undefined where the file system has no birth times. */
  readonly bornSeconds: number | undefined;
  /** Unix time in seconds of the last change of any kind: content, name, owner, mode or label. */
  readonly changedSeconds: number;
  /** Whether it is a file that some user may execute. */
  readonly isExecutable: boolean;
}

/** Reads a file's status; `missing` when there is no such file, undefined when the exporter cannot see whether there is. */
export async function readEmulatorFile(path: string): Promise<EmulatorFile | 'missing' | undefined> {
  try {
    const found = await stat(path);
    const { dev, ino, birthtimeMs, ctimeMs } = found;
    const bornSeconds = birthtimeMs > 0 ? birthtimeMs / 1000 : undefined;
    const isExecutable = found.isFile() && (found.mode & 0o111) !== 0;
    return { dev, ino, bornSeconds, changedSeconds: ctimeMs / 1000, isExecutable };
  } catch (error) {
    const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
    return code === 'ENOENT' || code === 'ENOTDIR' ? 'missing' : undefined;
  }
}
