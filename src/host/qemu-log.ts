import { open } from 'node:fs/promises';
import { join } from 'node:path';

/** A "starting up" line of a domain's log; libvirt writes one at each start. */
export interface LoggedStart {
  /** QEMU version, "7.2.22". */
  readonly version: string;
  /** Unix time in seconds. */
  readonly startSeconds: number;
}

/** Number of bytes that are read from the log's end: a guest can make QEMU write a long log after the start. */
const MAX_TAIL_BYTES = 256 * 1024;

/**
 * Returns the last start in `DIRECTORY/NAME.log`; undefined when the exporter may not read the log (only root may), or when
 * the line was rotated away.
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
  // Anchored at the line's start: the logged command line contains the domain's title, which may have the same words.
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
