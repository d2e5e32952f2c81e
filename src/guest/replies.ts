/**
 * Parsers of the guest agent's replies. Each takes the whole reply, `{"return": …}`, and throws GuestReplyError when
 * the reply is too long or not of the documented shape (QEMU: qga/qapi-schema.json).
 */

import { z } from 'zod';
import { CPU_MODES, type CpuMode, type GuestCpu, type GuestLoad, type GuestOs } from './guest-sample.ts';
import { cleanText, GuestReplyError } from './guest-text.ts';
import { boundedArray, parseReply } from './json.ts';

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
const optionalText = text.transform((value) => (value === '' ? undefined : value)).optional();
/** 0 to 2^53-1: what a JavaScript number holds exactly. */
const count = z.int().nonnegative();
/** Adding zero turns -0 into 0; -0 would be served as "-0". */
const amount = z
  .number()
  .nonnegative()
  .max(Number.MAX_SAFE_INTEGER)
  .transform((value) => value + 0);

export interface GuestAgentInfo {
  /** "7.2.22". */
  readonly version: string;
  /** The agent's commands, and whether each is enabled. */
  readonly commands: ReadonlyMap<string, boolean>;
}

const guestInfo = z.object({
  version: text,
  supported_commands: boundedArray(z.object({ name: text, enabled: z.boolean() }), MAX_COMMANDS),
});

/** Reply of guest-info. A command that is listed twice is enabled only if each entry says so. */
export function parseGuestInfo(reply: string): GuestAgentInfo {
  const { version, supported_commands } = parseReply('guest-info', reply, MAX_REPLY_CHARACTERS, guestInfo);
  const commands = new Map<string, boolean>();
  for (const { name, enabled } of supported_commands) {
    commands.set(name, enabled && commands.get(name) !== false);
  }
  return { version, commands };
}

/** A field that is no text is as good as absent: the others still say what runs. */
const osField = optionalText.catch(undefined);
const osInfo = z.object({
  id: osField,
  name: osField,
  'pretty-name': osField,
  version: osField,
  'version-id': osField,
  variant: osField,
  'variant-id': osField,
  'kernel-release': osField,
  'kernel-version': osField,
  machine: osField,
});

/** Reply of guest-get-osinfo; the agent leaves out what the guest's os-release does not have. */
export function parseOsInfo(reply: string): GuestOs {
  const os = parseReply('guest-get-osinfo', reply, MAX_REPLY_CHARACTERS, osInfo);
  return {
    id: os.id,
    name: os.name,
    prettyName: os['pretty-name'],
    version: os.version,
    versionId: os['version-id'],
    variant: os.variant,
    variantId: os['variant-id'],
    kernelRelease: os['kernel-release'],
    kernelVersion: os['kernel-version'],
    machine: os.machine,
  };
}

const cpuStats = boundedArray(
  z.object({
    type: z.literal('linux'),
    cpu: count,
    user: count,
    nice: count,
    system: count,
    idle: count,
    iowait: count.optional(),
    irq: count.optional(),
    softirq: count.optional(),
    steal: count.optional(),
  }),
  MAX_CPUS,
);

/**
 * Reply of guest-get-cpustats: milliseconds of each online CPU since the guest's boot, on Linux only
 * (QEMU: qga/commands-linux.c). `guest` and `guestnice` are left out, as `user` and `nice` include them.
 */
export function parseCpuStats(reply: string): GuestCpu {
  const command = 'guest-get-cpustats';
  const cpus = parseReply(command, reply, MAX_CPUSTATS_CHARACTERS, cpuStats);
  if (cpus.length === 0) throw new GuestReplyError(command, 'no CPU');
  if (new Set(cpus.map(({ cpu }) => cpu)).size < cpus.length) {
    throw new GuestReplyError(command, 'a CPU is listed twice');
  }
  const seconds = (mode: CpuMode): number | undefined => {
    const values = cpus.map((cpu) => cpu[mode]).filter((value) => value !== undefined);
    if (values.length === 0) return undefined;
    const sum = values.reduce((total, value) => total + value, 0);
    if (!Number.isSafeInteger(sum)) throw new GuestReplyError(command, `${mode} adds up to 2^53 or more`);
    return sum / 1000;
  };
  return Object.fromEntries(CPU_MODES.map((mode) => [mode, seconds(mode)])) as Record<
    CpuMode,
    number | undefined
  >;
}

const load = z.object({ load1m: amount, load5m: amount, load15m: amount });

/** Reply of guest-get-load (agents of QEMU 10.0 and later). */
export function parseLoad(reply: string): GuestLoad {
  const { load1m, load5m, load15m } = parseReply('guest-get-load', reply, MAX_REPLY_CHARACTERS, load);
  return { load1: load1m, load5: load5m, load15: load15m };
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

const fsInfo = boundedArray(
  z.object({
    mountpoint: text,
    type: text,
    // Any number: some network and FUSE filesystems report up to 2^64, and must not cost the others their values.
    'total-bytes': z.number().optional(),
    'used-bytes': z.number().optional(),
  }),
  MAX_FILESYSTEMS_READ,
);

/**
 * Reply of guest-get-fsinfo. Of filesystems with the same mount point the first is kept; those without a mount point
 * or with impossible sizes are dropped. Of more than {@link MAX_FILESYSTEMS} those with the shortest mount points are
 * kept: the short-lived mounts of a container host have long ones.
 */
export function parseFsInfo(reply: string): readonly GuestFilesystem[] {
  const listed = parseReply('guest-get-fsinfo', reply, MAX_FSINFO_CHARACTERS, fsInfo);
  const kept = new Map<string, GuestFilesystem>();
  for (const { mountpoint, type, 'total-bytes': totalBytes, 'used-bytes': usedBytes } of listed) {
    if (mountpoint === '' || kept.has(mountpoint) || !possibleSizes(totalBytes, usedBytes)) continue;
    kept.set(mountpoint, { mountpoint, fstype: type, totalBytes, usedBytes });
  }
  return [...kept.values()]
    .sort((a, b) => a.mountpoint.length - b.mountpoint.length || (a.mountpoint < b.mountpoint ? -1 : 1))
    .slice(0, MAX_FILESYSTEMS);
}

function possibleSizes(total: number | undefined, used: number | undefined): boolean {
  const possible = (value: number | undefined) => value === undefined || count.safeParse(value).success;
  return possible(total) && possible(used) && (total === undefined || used === undefined || used <= total);
}
