import { stat } from 'node:fs/promises';

/** What identifies the daemon behind a connection. */
export interface DaemonTraces {
  /** Device and inode of its socket files: a daemon that makes its sockets itself makes them anew. */
  readonly sockets: string;
  /**
   * Numbers that the daemon gave to event subscriptions. libvirt counts them up for as long as the daemon lives
   * (virObjectEventCallbackListAddID), also where systemd holds the sockets.
   */
  readonly callbackIds: readonly number[];
}

/** Says whether a new connection leads to another daemon process than the last one did. */
export class RestartDetector {
  #last: DaemonTraces | undefined;
  #wasRefused = false;

  /** An attempt to connect failed. */
  attemptFailed(error: unknown): void {
    if (isRefusal(error)) this.#wasRefused = true;
  }

  /** Returns true when the daemon was restarted since the last connection; false also when that is not known. */
  connected(traces: DaemonTraces): boolean {
    const last = this.#last;
    const isRestarted = last !== undefined && (this.#wasRefused || differs(last, traces));
    this.#last = traces;
    this.#wasRefused = false;
    return isRestarted;
  }
}

/** Device and inode of each of the files that exist. */
export async function readSocketTraces(paths: readonly string[]): Promise<string> {
  const traces = await Promise.all(
    paths.map(async (path) => {
      try {
        const { dev, ino } = await stat(path);
        return `${dev}:${ino}`;
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

/** A proxy daemon may number subscriptions in another way; then they say nothing. */
function isCountedUp(ids: readonly number[]): boolean {
  return ids.length > 1 && ids.every((id, index) => index === 0 || id > (ids[index - 1] ?? id));
}

/** Nobody listens on the socket, or there is none: the daemon's process has ended. */
function isRefusal(error: unknown): boolean {
  // Not instanceof: errors of Node.js itself belong to another realm where tests run.
  for (let cause = error; isObject(cause); cause = 'cause' in cause ? cause.cause : undefined) {
    if ('code' in cause && (cause.code === 'ECONNREFUSED' || cause.code === 'ENOENT')) return true;
  }
  return false;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
