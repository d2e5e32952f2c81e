/**
 * Parsers of the guest agent's replies. Each takes the whole reply, `{"return": …}`, and throws GuestReplyError
 * for one that is too long or not of the documented shape (QEMU: qga/qapi-schema.json).
 */

import { z } from 'zod';
import { CPU_MODES, type CpuMode, type GuestCpu, type GuestLoad, type GuestOs } from './guest-sample.ts';
import { cleanText, GuestReplyError } from './guest-text.ts';
import { boundedArray, parseReply } from './json.ts';

/** The largest honest one, guest-info with some 70 commands of 80 characters, is a tenth of it. */
const MAX_REPLY_CHARACTERS = 64 * 1024;
/** 1024 CPUs of some 300 characters each, 350 with the largest numbers. */
const MAX_CPUSTATS_CHARACTERS = 400 * 1024;
/** A container host tells hundreds of mounts, each with its disks, of some 600 characters. */
const MAX_FSINFO_CHARACTERS = 1024 * 1024;

const MAX_COMMANDS = 512;
const MAX_CPUS = 1024;
/** How many filesystems may be told; how many of them are kept is less. */
const MAX_FILESYSTEMS_READ = 4096;
export const MAX_FILESYSTEMS = 64;

const text = z.string().transform(cleanText);
const optionalText = text.transform((value) => (value === '' ? undefined : value)).optional();
/** 0 to 2^53-1: what a JavaScript number holds exactly. */
const count = z.int().nonnegative();
/** Adding zero turns -0, which would be served as "-0", into 0. */
const amount = z
  .number()
  .nonnegative()
  .max(Number.MAX_SAFE_INTEGER)
  .transform((value) => value + 0);

export interface GuestAgentInfo {
  /** "7.2.22". */
  readonly version: string;
  /** The agent's commands, and whether each may be used; a filtered one is listed as not enabled. */
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

const osInfo = z.object({
  id: optionalText,
  name: optionalText,
  'pretty-name': optionalText,
  version: optionalText,
  'version-id': optionalText,
  variant: optionalText,
  'variant-id': optionalText,
  'kernel-release': optionalText,
  'kernel-version': optionalText,
  machine: optionalText,
});

/** Reply of guest-get-osinfo; the agent leaves out what the guest's os-release does not tell. */
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
 * Reply of guest-get-cpustats: cumulative milliseconds of each online CPU since the guest's boot, by Linux only
 * (QEMU: qga/commands-linux.c). `guest` and `guestnice` are left out, as `user` and `nice` have them already.
 */
export function parseCpuStats(reply: string): GuestCpu {
  const command = 'guest-get-cpustats';
  const cpus = parseReply(command, reply, MAX_CPUSTATS_CHARACTERS, cpuStats);
  if (cpus.length === 0) throw new GuestReplyError(command, 'no CPU');
  if (new Set(cpus.map(({ cpu }) => cpu)).size < cpus.length) {
    throw new GuestReplyError(command, 'a CPU is told twice');
  }
  const seconds = (mode: CpuMode): number | undefined => {
    const told = cpus.map((cpu) => cpu[mode]).filter((value) => value !== undefined);
    if (told.length === 0) return undefined;
    const sum = told.reduce((total, value) => total + value, 0);
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
  /** How many bytes were read, at most as many as were asked for. */
  readonly count: number;
  readonly bytes: Buffer;
  /** Whether the file's end was reached. */
  readonly eof: boolean;
}

const fileRead = z.object({ count, 'buf-b64': z.string(), eof: z.boolean() });

/** Reply of a guest-file-read that asked for `requestedBytes`. */
export function parseFileRead(reply: string, requestedBytes: number): FileChunk {
  const command = 'guest-file-read';
  // Four characters stand for three bytes, and a JSON writer on the way may put a backslash before each "/".
  const maxCharacters = 1024 + 8 * Math.ceil(requestedBytes / 3);
  const { count, 'buf-b64': base64, eof } = parseReply(command, reply, maxCharacters, fileRead);
  const bytes = Buffer.from(base64, 'base64');
  // Node skips what is not base64; only the canonical text comes out the same again.
  if (bytes.toString('base64') !== base64) throw new GuestReplyError(command, 'content is not base64');
  if (bytes.length !== count) throw new GuestReplyError(command, 'content is not as long as it says');
  if (count > requestedBytes) throw new GuestReplyError(command, 'more bytes than were asked for');
  return { count, bytes, eof };
}

export interface GuestFilesystem {
  /** Clean, never empty, and unlike that of the other filesystems of the reply. */
  readonly mountpoint: string;
  /** "ext4", "NTFS"; may be empty. */
  readonly fstype: string;
  /** Without what is kept for root; undefined by agents before QEMU 3.0, and where statvfs failed. */
  readonly totalBytes: number | undefined;
  readonly usedBytes: number | undefined;
}

const fsInfo = boundedArray(
  z.object({
    mountpoint: text,
    type: text,
    // Any number: some network and FUSE filesystems tell sizes of up to 2^64, which is no reason to lose the others.
    'total-bytes': z.number().optional(),
    'used-bytes': z.number().optional(),
  }),
  MAX_FILESYSTEMS_READ,
);

/**
 * Reply of guest-get-fsinfo. Of filesystems with the same mountpoint the first is kept; those without one or
 * with impossible sizes are dropped. Of more than {@link MAX_FILESYSTEMS} the shortest mountpoints stay, which are
 * those that a container host's passing mounts do not push out.
 */
export function parseFsInfo(reply: string): readonly GuestFilesystem[] {
  const told = parseReply('guest-get-fsinfo', reply, MAX_FSINFO_CHARACTERS, fsInfo);
  const kept = new Map<string, GuestFilesystem>();
  for (const { mountpoint, type, 'total-bytes': totalBytes, 'used-bytes': usedBytes } of told) {
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
