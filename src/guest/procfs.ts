/**
 * Parsers of the /proc files of a Linux guest, as read through its agent. A value that no kernel writes is left out and
 * reported, and the others stay. Text without any value is refused with GuestReplyError. Text may be cut at its end: a last
 * line without its line feed is ignored.
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

/** Called for a value that the guest sent and that cannot be true; `family` is the one that lacks it. */
export type ReportInvalid<Family extends string = string> = (family: Family) => void;

const ignore = (): void => undefined;

export interface ProcStat {
  /** Undefined when no mode is known. */
  readonly cpu: GuestCpu | undefined;
  /** Unix time in seconds; undefined when the text is cut before it. */
  readonly bootTimeSeconds: number | undefined;
}

/**
 * /proc/stat. The line of all CPUs is used: this line includes offline CPUs, so it does not fall when a CPU is
 * unplugged. Without this line, those of the single CPUs are added up.
 */
export function parseProcStat(content: string, report: ReportInvalid<'cpu' | 'boot'> = ignore): ProcStat {
  const file = '/proc/stat';
  const all: string[] = [];
  const single = new Map<string, string>();
  const bootTimes: string[] = [];
  let isSingleUsable = true;
  for (const line of linesOf(file, content)) {
    const cpu = /^cpu(\d{0,5}) /.exec(line);
    if (cpu?.[1] === '') all.push(line);
    else if (cpu?.[1] !== undefined) {
      if (single.has(cpu[1]) || single.size >= MAX_CPUS) isSingleUsable = false;
      else single.set(cpu[1], line);
    } else if (line.startsWith('btime ')) bootTimes.push(line.slice('btime '.length));
  }
  if (all.length === 0 && single.size === 0 && bootTimes.length === 0)
    throw new GuestReplyError(file, 'no CPU and no boot time');
  const lines = all.length > 0 ? all : [...single.values()];
  const isUsable = all.length > 0 ? all.length === 1 : isSingleUsable;
  const cpu = isUsable ? cpuSeconds(lines, () => report('cpu')) : undefined;
  if (!isUsable) report('cpu');
  const bootTimeSeconds = bootTimes.length === 1 ? wholeNumber(bootTimes[0]) : undefined;
  if (bootTimes.length > 0 && bootTimeSeconds === undefined) report('boot');
  return { cpu, bootTimeSeconds };
}

/** The sum over lines such as `cpu0 78775 6246 45352 471327 520 0 225 138 0 0`; undefined when no mode is known. */
function cpuSeconds(lines: readonly string[], report: () => void): GuestCpu | undefined {
  // The next fields, guest and guest_nice, are included in user and nice.
  const cpus = lines.map((line) =>
    line
      .split(' ')
      .filter((field) => field !== '')
      .slice(1),
  );
  const fields = Math.max(0, ...cpus.map(({ length }) => length));
  const seconds = (index: number): number | undefined => {
    if (index >= Math.max(fields, FEWEST_CPU_MODES)) return undefined;
    const sum = sumOf(cpus.map((cpu) => wholeNumber(cpu[index])));
    if (sum === undefined) report();
    return sum === undefined ? undefined : sum / TICKS_PER_SECOND;
  };
  const modes = CPU_MODES.map((mode, index) => [mode, seconds(index)] as const);
  if (modes.every(([, value]) => value === undefined)) return undefined;
  return Object.fromEntries(modes) as Record<CpuMode, number | undefined>;
}

/** Undefined when one value is unknown or the sum is 2^53 or more: a sum of some CPUs would jump when the others are known. */
export function sumOf(values: readonly (number | undefined)[]): number | undefined {
  let sum = 0;
  for (const value of values) {
    if (value === undefined) return undefined;
    sum += value;
  }
  return Number.isSafeInteger(sum) ? sum : undefined;
}

type MeminfoFamily = 'memory' | 'swap';
const MEMINFO_KEYS: ReadonlyMap<string, MeminfoFamily> = new Map([
  ['MemTotal', 'memory'],
  ['MemAvailable', 'memory'],
  ['SwapTotal', 'swap'],
  ['SwapFree', 'swap'],
]);

/** /proc/meminfo. `MemAvailable` is missing before Linux 3.14; a guest without swap has a total of 0. */
export function parseMeminfo(content: string, report: ReportInvalid<MeminfoFamily> = ignore): GuestMemory {
  const file = '/proc/meminfo';
  const bytes = new Map<string, number | undefined>();
  for (const line of linesOf(file, content)) {
    const key = line.slice(0, line.indexOf(':') + 1).slice(0, -1);
    const family = MEMINFO_KEYS.get(key);
    if (family === undefined) continue;
    const kibibytes = /^ +(\d+) kB$/.exec(line.slice(key.length + 1))?.[1];
    const value = bytes.has(key) ? undefined : wholeNumber(kibibytes, Number.MAX_SAFE_INTEGER / 1024);
    if (value === undefined) report(family);
    bytes.set(key, value === undefined ? undefined : 1024 * value);
  }
  if (bytes.size === 0) throw new GuestReplyError(file, 'no MemTotal, SwapTotal or SwapFree');
  const total = bytes.get('MemTotal');
  const available = bytes.get('MemAvailable');
  const swapTotal = bytes.get('SwapTotal');
  const swapFree = bytes.get('SwapFree');
  if (total === 0) report('memory');
  const isTooMuch = available !== undefined && total !== undefined && total > 0 && available > total;
  if (isTooMuch) report('memory');
  const swapUsed = swapTotal === undefined || swapFree === undefined ? undefined : swapTotal - swapFree;
  if (swapUsed !== undefined && swapUsed < 0) report('swap');
  return {
    totalBytes: total === 0 ? undefined : total,
    availableBytes: isTooMuch ? undefined : available,
    swapTotalBytes: swapTotal,
    swapUsedBytes: swapUsed !== undefined && swapUsed < 0 ? undefined : swapUsed,
  };
}

/**
 * /proc/pressure/{io,memory,cpu}: `some|full avg10=… avg60=… avg300=… total=MICROSECONDS`
 * (Linux: Documentation/accounting/psi.rst). cpu has no `full` before Linux 5.13.
 */
export function parsePressure(content: string, report: ReportInvalid<'pressure'> = ignore): PressureTotals {
  const file = '/proc/pressure';
  const totals = new Map<string, number | undefined>();
  for (const line of linesOf(file, content)) {
    const kind = /^(some|full) /.exec(line)?.[1];
    const total = /^(?:some|full) (?:avg\d{1,5}=[\d.]{1,10} )*total=(\d+)$/.exec(line)?.[1];
    const microseconds = wholeNumber(total);
    if (microseconds === undefined || kind === undefined) report('pressure');
    if (kind === undefined) continue;
    const isFirst = !totals.has(kind);
    if (!isFirst) report('pressure');
    totals.set(kind, isFirst && microseconds !== undefined ? microseconds / 1_000_000 : undefined);
  }
  const waitingSeconds = totals.get('some');
  const full = totals.get('full');
  // All tasks wait only while some task does.
  const isTooMuch = full !== undefined && waitingSeconds !== undefined && full > waitingSeconds;
  if (isTooMuch) report('pressure');
  const stalledSeconds = isTooMuch ? undefined : full;
  if (waitingSeconds === undefined && stalledSeconds === undefined)
    throw new GuestReplyError(file, 'no total of "some" or "full"');
  return { waitingSeconds, stalledSeconds };
}

/** /proc/loadavg: `0.20 0.18 0.12 1/80 11206`. */
export function parseLoadavg(content: string, report: ReportInvalid<'load'> = ignore): GuestLoad {
  const file = '/proc/loadavg';
  const lines = linesOf(file, content);
  const fields = lines.length === 1 ? (lines[0] ?? '').split(' ') : [];
  if (fields.length < 4) throw new GuestReplyError(file, 'not three load averages');
  const load = (text: string | undefined): number | undefined => {
    if (text !== undefined && /^\d{1,12}\.\d\d$/.test(text)) return Number(text);
    report('load');
    return undefined;
  };
  const [load1, load5, load15] = fields.slice(0, 3).map(load);
  if (load1 === undefined && load5 === undefined && load15 === undefined)
    throw new GuestReplyError(file, 'not three load averages');
  return { load1, load5, load15 };
}

function linesOf(file: string, content: string): readonly string[] {
  if (content.length > MAX_PROC_FILE_CHARACTERS) {
    throw new GuestReplyError(file, `more than ${MAX_PROC_FILE_CHARACTERS} characters`);
  }
  return content.split('\n').slice(0, -1);
}

/** A decimal number of at most `largest`, below 2^53; undefined for anything else. */
function wholeNumber(digits: string | undefined, largest = Number.MAX_SAFE_INTEGER): number | undefined {
  if (digits === undefined || !/^\d{1,16}$/.test(digits)) return undefined;
  const value = Number(digits);
  return value <= largest ? value : undefined;
}
