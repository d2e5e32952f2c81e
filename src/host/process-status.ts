import { readSmallFile } from './process-stat.ts';

/** A process's values from `/proc/PID/status`; undefined where the kernel does not have them. */
export interface ProcessStatus {
  /** As {@link import('./process-stat.ts').ProcessStat.state}. */
  readonly state: string;
  /** VmRSS: memory of the process in the host's RAM, in bytes; memory from hugetlbfs is not included. */
  readonly residentBytes: number | undefined;
  /** VmSwap: memory of the process in the host's swap, in bytes; shared memory is not included. */
  readonly swapBytes: number | undefined;
}

/** Parses the text of `/proc/PID/status`; undefined when it is not such a text. */
export function parseProcessStatus(text: string): ProcessStatus | undefined {
  const state = field(text, 'State:\t')?.slice(0, 1);
  if (state === undefined || state === '') return undefined;
  return { state, residentBytes: bytes(field(text, 'VmRSS:')), swapBytes: bytes(field(text, 'VmSwap:')) };
}

/** Reads a process's `status`, which every user may read and which never blocks; undefined when the process has ended. */
export function readProcessStatus(proc: string, pid: number, buffer: Buffer): ProcessStatus | undefined {
  const text = readSmallFile(`${proc}/${pid}/status`, buffer);
  return text === undefined ? undefined : parseProcessStatus(text);
}

/** Without a regular expression, as this runs for each domain in each scrape. */
function field(text: string, name: string): string | undefined {
  const at = text.indexOf(`\n${name}`);
  if (at < 0) return undefined;
  const begin = at + 1 + name.length;
  const end = text.indexOf('\n', begin);
  // A line without its end was cut off.
  return end < 0 ? undefined : text.slice(begin, end);
}

/** `\t   45668 kB`; the kernel's kB is 1,024 bytes. */
function bytes(value: string | undefined): number | undefined {
  if (value?.endsWith(' kB') !== true) return undefined;
  const digits = value.slice(0, -3).trim();
  const kibibytes = digits === '' ? Number.NaN : Number(digits);
  return Number.isSafeInteger(kibibytes) && kibibytes >= 0 ? kibibytes * 1024 : undefined;
}
