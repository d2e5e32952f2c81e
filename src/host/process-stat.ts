import { closeSync, openSync, readSync } from 'node:fs';

/** A process's values from `/proc/PID/stat`; the state is the main thread's (proc(5)). */
export interface ProcessStat {
  /** R running, S sleeping, D waiting for a device, T stopped by a signal, t stopped by a debugger, Z ended, and others. */
  readonly state: string;
  /** Processor time of all threads in user and in kernel mode, in seconds. */
  readonly userSeconds: number;
  readonly systemSeconds: number;
  /** Start of the process, in seconds after the host's boot. */
  readonly startSeconds: number;
}

/** /proc reports process times in USER_HZ, which is 100 for every architecture's user space (proc(5)). */
const TICKS_PER_SECOND = 100;
/** Numbers of the first and last field that are read, as proc(5) counts them. */
const FIRST_FIELD = 3;
const LAST_FIELD = 22;

/** Parses the text of `/proc/PID/stat`; undefined when it is not such a text. */
export function parseProcessStat(text: string): ProcessStat | undefined {
  // The second field is the command's name in brackets; the name itself may contain brackets and spaces.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ', LAST_FIELD - FIRST_FIELD + 1);
  const seconds = (field: number): number => Number(fields[field - FIRST_FIELD]) / TICKS_PER_SECOND;
  const [state] = fields;
  const [userSeconds, systemSeconds, startSeconds] = [seconds(14), seconds(15), seconds(22)];
  const isValid = state?.length === 1 && Number.isFinite(userSeconds + systemSeconds + startSeconds);
  return isValid ? { state, userSeconds, systemSeconds, startSeconds } : undefined;
}

/** Reads a process's `stat`, which never blocks; undefined when the process has ended. */
export function readProcessStat(proc: string, pid: number, buffer: Buffer): ProcessStat | undefined {
  const text = readSmallFile(`${proc}/${pid}/stat`, buffer);
  return text === undefined ? undefined : parseProcessStat(text);
}

/** Reads a file of /proc or a cgroup, up to the size of `buffer`; undefined when it cannot be read. */
export function readSmallFile(path: string, buffer: Buffer): string | undefined {
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    return buffer.toString('latin1', 0, readSync(file, buffer, 0, buffer.length, 0));
  } catch {
    return undefined;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
