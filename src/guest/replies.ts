/**
 * Parsers of the guest agent's replies. Each takes the whole reply, `{"return": …}`, and throws GuestReplyError when
 * the reply is too long or not of the documented shape (QEMU: qga/qapi-schema.json). A single value that is not of its
 * type, or that cannot be true, is left out and reported, and the others stay.
 */

import { z } from 'zod';
import { CPU_MODES, type CpuMode, type GuestCpu, type GuestLoad, type GuestOs } from './guest-sample.ts';
import { cleanText, GuestReplyError } from './guest-text.ts';
import { boundedArray, parseReply } from './json.ts';
import { type ReportInvalid, sumOf } from './procfs.ts';

/** Ten times the largest real reply, guest-info with some 70 commands of 80 characters. */
const MAX_REPLY_CHARACTERS = 64 * 1024;
/** 1024 CPUs of 300 to 350 characters each. */
const MAX_CPUSTATS_CHARACTERS = 400 * 1024;
/** A container host lists hundreds of mounts, each with its disks, in some 600 characters. */
const MAX_FSINFO_CHARACTERS = 1024 * 1024;

const MAX_COMMANDS = 512;
const MAX_CPUS = 1024;
/** Filesystems that a reply may list. At most MAX_FILESYSTEMS of them are kept. */
const MAX_FILESYSTEMS_READ = 4096;
export const MAX_FILESYSTEMS = 64;

const text = z.string().transform(cleanText);
/** Empty text says nothing. */
const optionalText = text.transform((value) => (value === '' ? undefined : value));
/** 0 to 2^53-1: what a JavaScript number holds exactly. */
const count = z.int().nonnegative();
/** Adding zero turns -0 into 0; -0 would be served as "-0". */
const amount = z
  .number()
  .nonnegative()
  .max(Number.MAX_SAFE_INTEGER)
  .transform((value) => value + 0);
/** A value that {@link valid} checks, so that it costs only itself. */
const unchecked = z.unknown().optional();

const ignore = (): void => undefined;

/** The value by the schema; undefined when it is absent, and reported when it is not of the schema. */
function valid<T>(schema: z.ZodType<T>, value: unknown, report: () => void): T | undefined {
  if (value === undefined) return undefined;
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  report();
  return undefined;
}

export interface GuestAgentInfo {
  /** "7.2.22"; undefined when the reply has none. */
  readonly version: string | undefined;
  /** The agent's commands, and whether each is enabled. */
  readonly commands: ReadonlyMap<string, boolean>;
}

const guestInfo = z.object({
  version: unchecked,
  supported_commands: boundedArray(unchecked, MAX_COMMANDS),
});
const supportedCommand = z.object({ name: text, enabled: z.boolean() });

/**
 * Reply of guest-info. A command that is listed twice is enabled only if each entry says so; an entry that cannot be read
 * names no command.
 */
export function parseGuestInfo(reply: string): GuestAgentInfo {
  const { version, supported_commands } = parseReply('guest-info', reply, MAX_REPLY_CHARACTERS, guestInfo);
  const commands = new Map<string, boolean>();
  for (const entry of supported_commands) {
    const command = valid(supportedCommand, entry, ignore);
    if (command === undefined) continue;
    commands.set(command.name, command.enabled && commands.get(command.name) !== false);
  }
  return { version: valid(optionalText, version, ignore), commands };
}

const osInfo = z.object({
  id: unchecked,
  name: unchecked,
  'pretty-name': unchecked,
  version: unchecked,
  'version-id': unchecked,
  variant: unchecked,
  'variant-id': unchecked,
  'kernel-release': unchecked,
  'kernel-version': unchecked,
  machine: unchecked,
});

/** Reply of guest-get-osinfo; the agent leaves out what the guest's os-release does not have. */
export function parseOsInfo(reply: string, report: ReportInvalid<'os'> = ignore): GuestOs {
  const os = parseReply('guest-get-osinfo', reply, MAX_REPLY_CHARACTERS, osInfo);
  const textOf = (value: unknown): string | undefined => valid(optionalText, value, () => report('os'));
  return {
    id: textOf(os.id),
    name: textOf(os.name),
    prettyName: textOf(os['pretty-name']),
    version: textOf(os.version),
    versionId: textOf(os['version-id']),
    variant: textOf(os.variant),
    variantId: textOf(os['variant-id']),
    kernelRelease: textOf(os['kernel-release']),
    kernelVersion: textOf(os['kernel-version']),
    machine: textOf(os.machine),
  };
}

const cpuStats = boundedArray(
  z.object({
    type: z.literal('linux'),
    cpu: unchecked,
    user: unchecked,
    nice: unchecked,
    system: unchecked,
    idle: unchecked,
    iowait: unchecked,
    irq: unchecked,
    softirq: unchecked,
    steal: unchecked,
  }),
  MAX_CPUS,
);
/** The modes that each agent reports. */
const ALWAYS_REPORTED: ReadonlySet<CpuMode> = new Set(['user', 'nice', 'system', 'idle']);

/**
 * Reply of guest-get-cpustats: milliseconds of each online CPU since the guest's boot, on Linux only
 * (QEMU: qga/commands-linux.c). `guest` and `guestnice` are left out, as `user` and `nice` include them. A mode is known
 * only if each CPU has it.
 */
export function parseCpuStats(reply: string, report: ReportInvalid<'cpu'> = ignore): GuestCpu {
  const command = 'guest-get-cpustats';
  const cpus = parseReply(command, reply, MAX_CPUSTATS_CHARACTERS, cpuStats);
  if (cpus.length === 0) throw new GuestReplyError(command, 'no CPU');
  const numbers = cpus.map(({ cpu }) => valid(count, cpu, () => report('cpu')));
  const known = numbers.filter((number) => number !== undefined);
  if (new Set(known).size < known.length) throw new GuestReplyError(command, 'a CPU is listed twice');
  const seconds = (mode: CpuMode): number | undefined => {
    if (cpus.every((cpu) => cpu[mode] === undefined) && !ALWAYS_REPORTED.has(mode)) return undefined;
    const sum = sumOf(cpus.map((cpu) => valid(count, cpu[mode], ignore)));
    if (sum === undefined) report('cpu');
    return sum === undefined ? undefined : sum / 1000;
  };
  const modes = CPU_MODES.map((mode) => [mode, seconds(mode)] as const);
  if (modes.every(([, value]) => value === undefined)) throw new GuestReplyError(command, 'no CPU time');
  return Object.fromEntries(modes) as Record<CpuMode, number | undefined>;
}

const load = z.object({ load1m: unchecked, load5m: unchecked, load15m: unchecked });

/** Reply of guest-get-load (agents of QEMU 10.0 and later). */
export function parseLoad(reply: string, report: ReportInvalid<'load'> = ignore): GuestLoad {
  const command = 'guest-get-load';
  const { load1m, load5m, load15m } = parseReply(command, reply, MAX_REPLY_CHARACTERS, load);
  const [load1, load5, load15] = [load1m, load5m, load15m].map((value) => {
    if (value === undefined) report('load');
    return valid(amount, value, () => report('load'));
  });
  if (load1 === undefined && load5 === undefined && load15 === undefined)
    throw new GuestReplyError(command, 'no load average');
  return { load1, load5, load15 };
}

/** Reply of guest-file-open: the handle to read from and to close. */
export function parseFileOpen(reply: string): number {
  return parseReply('guest-file-open', reply, MAX_REPLY_CHARACTERS, count);
}

export interface FileChunk {
  /** Bytes that were read, at most as many as requested. */
  readonly count: number;
  readonly bytes: Buffer;
  /** Whether the file's end was reached. */
  readonly eof: boolean;
}

const fileRead = z.object({ count, 'buf-b64': z.string(), eof: z.boolean() });

/** Reply of a guest-file-read with the count `requestedBytes`. */
export function parseFileRead(reply: string, requestedBytes: number): FileChunk {
  const command = 'guest-file-read';
  // base64 has four characters for three bytes, and a JSON writer may put a backslash before each "/".
  const maxCharacters = 1024 + 8 * Math.ceil(requestedBytes / 3);
  const { count, 'buf-b64': base64, eof } = parseReply(command, reply, maxCharacters, fileRead);
  const bytes = Buffer.from(base64, 'base64');
  // Node ignores characters that are not base64, so the text is compared with the canonical encoding.
  if (bytes.toString('base64') !== base64) throw new GuestReplyError(command, 'content is not base64');
  if (bytes.length !== count)
    throw new GuestReplyError(command, 'content does not have the length that the reply states');
  if (count > requestedBytes) throw new GuestReplyError(command, 'more bytes than were requested');
  return { count, bytes, eof };
}

export interface GuestFilesystem {
  /** Cleaned, not empty, and unique within the reply. */
  readonly mountpoint: string;
  /** "ext4", "NTFS"; may be empty. */
  readonly fstype: string;
  /** Without the blocks reserved for root; undefined with agents before QEMU 3.0, and where statvfs failed. */
  readonly totalBytes: number | undefined;
  readonly usedBytes: number | undefined;
}

const fsInfo = boundedArray(unchecked, MAX_FILESYSTEMS_READ);
const filesystem = z.object({
  mountpoint: text,
  type: unchecked,
  'total-bytes': unchecked,
  'used-bytes': unchecked,
});

/**
 * Reply of guest-get-fsinfo. Of filesystems with the same mount point the first is kept; those without a mount point are
 * dropped, and an impossible size is left out: some network and FUSE filesystems report up to 2^64. Of more than
 * {@link MAX_FILESYSTEMS} those with the shortest mount points are kept: the short-lived mounts of a container host have long
 * ones.
 */
export function parseFsInfo(reply: string): readonly GuestFilesystem[] {
  const listed = parseReply('guest-get-fsinfo', reply, MAX_FSINFO_CHARACTERS, fsInfo);
  const kept = new Map<string, GuestFilesystem>();
  for (const entry of listed) {
    const read = valid(filesystem, entry, ignore);
    if (read === undefined || read.mountpoint === '' || kept.has(read.mountpoint)) continue;
    const { mountpoint, type } = read;
    const totalBytes = valid(count, read['total-bytes'], ignore);
    const used = valid(count, read['used-bytes'], ignore);
    const usedBytes = totalBytes !== undefined && used !== undefined && used > totalBytes ? undefined : used;
    kept.set(mountpoint, { mountpoint, fstype: valid(text, type, ignore) ?? '', totalBytes, usedBytes });
  }
  return [...kept.values()]
    .sort((a, b) => a.mountpoint.length - b.mountpoint.length || (a.mountpoint < b.mountpoint ? -1 : 1))
    .slice(0, MAX_FILESYSTEMS);
}
