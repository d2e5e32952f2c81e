import { open } from 'node:fs/promises';
import { join } from 'node:path';

/** One "starting up" line of a domain's log, which libvirt writes at each start. */
export interface LoggedStart {
  /** QEMU version, "7.2.22". */
  readonly version: string;
  /** Unix time in seconds. */
  readonly startSeconds: number;
}

/** A guest can make QEMU write a lot after its start; looking further back than this is not worth it. */
const MAX_TAIL_BYTES = 256 * 1024;

/**
 * The last start that `DIRECTORY/NAME.log` tells of. Root's to read; undefined without the right, or when
 * the line is rotated away.
 */
export async function readLastLoggedStart(directory: string, name: string): Promise<LoggedStart | undefined> {
  if (name.includes('/')) return undefined;
  try {
    const file = await open(join(directory, `${name}.log`), 'r');
    try {
      const { size } = await file.stat();
      const position = Math.max(0, size - MAX_TAIL_BYTES);
      const buffer = Buffer.alloc(size - position);
      const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
      return parseLastStart(buffer.toString('utf8', 0, bytesRead));
    } finally {
      await file.close();
    }
  } catch {
    return undefined;
  }
}

/**
 * Parses text such as
 * `2026-11-23 00:50:11.123+0000: starting up libvirt version: 9.0.0, …, qemu version: 7.2.22Debian 1:7.2…`
 * (libvirt: src/qemu/qemu_process.c, qemuProcessStartPrintLog).
 */
export function parseLastStart(text: string): LoggedStart | undefined {
  // Anchored at the line's start: a domain's title may hold the same words, and is logged with its command line.
  const starts = text.matchAll(
    /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)([+-]\d\d)(\d\d): starting up libvirt version: .{0,512}?qemu version: (\d+\.\d+\.\d+)/gm,
  );
  const last = [...starts].at(-1);
  if (last === undefined) return undefined;
  const [, day, time, zoneHours, zoneMinutes, version] = last;
  const startMs = Date.parse(`${day}T${time}${zoneHours}:${zoneMinutes}`);
  return version === undefined || Number.isNaN(startMs)
    ? undefined
    : { version, startSeconds: startMs / 1000 };
}
