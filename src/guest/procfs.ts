/**
 * Parsers of the /proc files of a Linux guest, as read through its agent. Each throws GuestReplyError for text that
 * no kernel writes. Text may be cut at its end: a last line without its line feed is ignored.
 */

import {
  CPU_MODES,
  type CpuMode,
  type GuestCpu,
  type GuestLoad,
  type GuestMemory,
  type PressureTotals,
} from './guest-sample.ts';
import { GuestReplyError } from './guest-text.ts';

/** /proc/stat is the largest file: some 100 characters for each of 1024 CPUs, and a line that lists all interrupts. */
export const MAX_PROC_FILE_CHARACTERS = 256 * 1024;
const MAX_CPUS = 1024;

/** Clock ticks in a second (USER_HZ; Linux: include/uapi/asm-generic/param.h). 100 wherever libvirt runs KVM. */
const TICKS_PER_SECOND = 100;
/** The first four modes are as old as /proc/stat; iowait came with Linux 2.5.41, the others until 2.6.11. */
const FEWEST_CPU_MODES = 4;

export interface ProcStat {
  readonly cpu: GuestCpu;
  /** Unix time in seconds; undefined when the text is cut before it. */
  readonly bootTimeSeconds: number | undefined;
}

/**
 * /proc/stat. The line of all CPUs is used: this line includes offline CPUs, so it does not fall when a CPU is
 * unplugged. Without this line, those of the single CPUs are added up.
 */
export function parseProcStat(content: string): ProcStat {
  const file = '/proc/stat';
  let all: readonly number[] | undefined;
  const single = new Map<string, readonly number[]>();
  let bootTimeSeconds: number | undefined;
  for (const line of linesOf(file, content)) {
    const cpu = /^cpu(\d{0,5}) /.exec(line);
    if (cpu?.[1] === '') {
      if (all !== undefined) throw new GuestReplyError(file, 'two lines of all CPUs');
      all = ticksOf(file, line);
    } else if (cpu?.[1] !== undefined) {
      if (single.has(cpu[1])) throw new GuestReplyError(file, 'a CPU is listed twice');
      if (single.size >= MAX_CPUS) throw new GuestReplyError(file, `more than ${MAX_CPUS} CPUs`);
      single.set(cpu[1], ticksOf(file, line));
    } else if (line.startsWith('btime ')) {
      if (bootTimeSeconds !== undefined) throw new GuestReplyError(file, 'two boot times');
      bootTimeSeconds = wholeNumber(file, line.slice('btime '.length));
    }
  }
  if (all === undefined && single.size === 0) throw new GuestReplyError(file, 'no CPU');
  return { cpu: cpuSeconds(file, all === undefined ? [...single.values()] : [all]), bootTimeSeconds };
}

/** Ticks by mode of a line such as `cpu0 78775 6246 45352 471327 520 0 225 138 0 0`. */
function ticksOf(file: string, line: string): readonly number[] {
  const [, ...fields] = line.split(' ').filter((field) => field !== '');
  if (fields.length < FEWEST_CPU_MODES) throw new GuestReplyError(file, 'a CPU with too few fields');
  // The next fields, guest and guest_nice, are included in user and nice.
  return fields.slice(0, CPU_MODES.length).map((field) => wholeNumber(file, field));
}

function cpuSeconds(file: string, cpus: readonly (readonly number[])[]): GuestCpu {
  const seconds = (index: number): number | undefined => {
    const values = cpus.map((ticks) => ticks[index]).filter((ticks) => ticks !== undefined);
    if (values.length === 0) return undefined;
    const sum = values.reduce((total, ticks) => total + ticks, 0);
    if (!Number.isSafeInteger(sum)) throw new GuestReplyError(file, 'CPU time adds up to 2^53 or more');
    return sum / TICKS_PER_SECOND;
  };
  return Object.fromEntries(CPU_MODES.map((mode, index) => [mode, seconds(index)])) as Record<
    CpuMode,
    number | undefined
  >;
}

const MEMINFO_KEYS = new Set(['MemTotal', 'MemAvailable', 'SwapTotal', 'SwapFree']);

/** /proc/meminfo. `MemAvailable` is missing before Linux 3.14; a guest without swap has a total of 0. */
export function parseMeminfo(content: string): GuestMemory {
  const file = '/proc/meminfo';
  const bytes = new Map<string, number>();
  for (const line of linesOf(file, content)) {
    const key = line.slice(0, line.indexOf(':') + 1).slice(0, -1);
    if (!MEMINFO_KEYS.has(key)) continue;
    if (bytes.has(key)) throw new GuestReplyError(file, `${key} is listed twice`);
    const kibibytes = /^ +(\d+) kB$/.exec(line.slice(key.length + 1))?.[1];
    bytes.set(key, 1024 * wholeNumber(file, kibibytes ?? '', Number.MAX_SAFE_INTEGER / 1024));
  }
  const totalBytes = bytes.get('MemTotal');
  const availableBytes = bytes.get('MemAvailable');
  const swapTotalBytes = bytes.get('SwapTotal');
  const swapFreeBytes = bytes.get('SwapFree');
  if (totalBytes === undefined || swapTotalBytes === undefined || swapFreeBytes === undefined) {
    throw new GuestReplyError(file, 'no MemTotal, SwapTotal or SwapFree');
  }
  if (totalBytes === 0) throw new GuestReplyError(file, 'MemTotal is 0');
  if (availableBytes !== undefined && availableBytes > totalBytes) {
    throw new GuestReplyError(file, 'MemAvailable is more than MemTotal');
  }
  if (swapFreeBytes > swapTotalBytes) throw new GuestReplyError(file, 'SwapFree is more than SwapTotal');
  return { totalBytes, availableBytes, swapTotalBytes, swapUsedBytes: swapTotalBytes - swapFreeBytes };
}

/**
 * /proc/pressure/{io,memory,cpu}: `some|full avg10=… avg60=… avg300=… total=MICROSECONDS`
 * (Linux: Documentation/accounting/psi.rst). cpu has no `full` before Linux 5.13.
 */
export function parsePressure(content: string): PressureTotals {
  const file = '/proc/pressure';
  const seconds = new Map<string, number>();
  for (const line of linesOf(file, content)) {
    const [, kind, total] = /^(some|full) (?:avg\d{1,5}=[\d.]{1,10} )*total=(\d+)$/.exec(line) ?? [];
    if (kind === undefined || total === undefined) throw new GuestReplyError(file, 'an unknown line');
    if (seconds.has(kind)) throw new GuestReplyError(file, `${kind} is listed twice`);
    seconds.set(kind, wholeNumber(file, total) / 1_000_000);
  }
  const waitingSeconds = seconds.get('some');
  if (waitingSeconds === undefined) throw new GuestReplyError(file, 'no "some" line');
  return { waitingSeconds, stalledSeconds: seconds.get('full') };
}

/** /proc/loadavg: `0.20 0.18 0.12 1/80 11206`. */
export function parseLoadavg(content: string): GuestLoad {
  const file = '/proc/loadavg';
  const [line = '', ...others] = linesOf(file, content);
  const [, load1, load5, load15] =
    /^(\d{1,12}\.\d\d) (\d{1,12}\.\d\d) (\d{1,12}\.\d\d) \d+\/\d+ \d+$/.exec(line) ?? [];
  if (load1 === undefined || load5 === undefined || load15 === undefined || others.length > 0) {
    throw new GuestReplyError(file, 'not three load averages');
  }
  return { load1: Number(load1), load5: Number(load5), load15: Number(load15) };
}

function linesOf(file: string, content: string): readonly string[] {
  if (content.length > MAX_PROC_FILE_CHARACTERS) {
    throw new GuestReplyError(file, `more than ${MAX_PROC_FILE_CHARACTERS} characters`);
  }
  return content.split('\n').slice(0, -1);
}

/** A decimal number of at most `largest`, below 2^53. */
function wholeNumber(file: string, digits: string, largest = Number.MAX_SAFE_INTEGER): number {
  const value = /^\d{1,16}$/.test(digits) ? Number(digits) : Number.NaN;
  if (!(value <= largest)) throw new GuestReplyError(file, 'not a number, or too large');
  return value;
}
