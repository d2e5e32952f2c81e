import { stat } from 'node:fs/promises';

/** Values that identify the daemon process of a connection. */
export interface DaemonTraces {
  /**
   * Device, inode and birth time of the socket files. A daemon without socket activation makes new files when it starts; a
   * file system may give a new file the number of the one that was just removed.
   */
  readonly sockets: string;
  /**
   * Callback ids of the event subscriptions. The daemon counts them up until it ends (virObjectEventCallbackListAddID); this
   * also works with socket activation, where the files stay the same.
   */
  readonly callbackIds: readonly number[];
}

/** Detects that the daemon was restarted between two connections. */
export class RestartDetector {
  #last: DaemonTraces | undefined;
  #wasRefused = false;

  /** Whether these socket files are others than those of the last connection. */
  isRestarted(sockets: string): boolean {
    return this.#last !== undefined && this.#last.sockets !== sockets;
  }

  /** Records the error of a failed attempt to connect. */
  attemptFailed(error: unknown): void {
    if (isRefusal(error)) this.#wasRefused = true;
  }

  /** Returns true when the daemon was restarted since the last connection; false also when this is unknown. */
  connected(traces: DaemonTraces): boolean {
    const last = this.#last;
    const isRestarted = last !== undefined && (this.#wasRefused || differs(last, traces));
    this.#last = traces;
    this.#wasRefused = false;
    return isRestarted;
  }
}

/** Returns device, inode and birth time of each file that exists. */
export async function readSocketTraces(paths: readonly string[]): Promise<string> {
  const traces = await Promise.all(
    paths.map(async (path) => {
      try {
        const { dev, ino, birthtimeMs } = await stat(path);
        return `${dev}:${ino}:${birthtimeMs}`;
      } catch {
        return '';
      }
    }),
  );
  return traces.join();
}

function differs(last: DaemonTraces, now: DaemonTraces): boolean {
  if (last.sockets !== now.sockets) return true;
  if (!isCountedUp(last.callbackIds) || !isCountedUp(now.callbackIds)) return false;
  return Math.min(...now.callbackIds) <= Math.max(...last.callbackIds);
}

/** virtproxyd may number subscriptions in another way; such ids are not compared. */
function isCountedUp(ids: readonly number[]): boolean {
  return ids.length > 1 && ids.every((id, index) => index === 0 || id > (ids[index - 1] ?? id));
}

/** The socket is missing or nothing listens on it: the daemon's process has ended. */
export function isRefusal(error: unknown): boolean {
  // Not instanceof: errors of Node.js itself belong to another realm where tests run.
  for (let cause = error; isObject(cause); cause = 'cause' in cause ? cause.cause : undefined) {
    if ('code' in cause && (cause.code === 'ECONNREFUSED' || cause.code === 'ENOENT')) return true;
  }
  return false;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
