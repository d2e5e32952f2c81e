import type { DiskConfig, DiskHost, DomainConfig } from '../inventory/domain-config.ts';
import type { IsSameFile } from './same-path.ts';

/** Compares the disks by target: device, bus, cache and I/O mode, format, discard mode, source and serial. */
export function disksDiffer(
  { disks: live }: DomainConfig,
  { disks: persistent }: DomainConfig,
  isSame: IsSameFile,
): boolean {
  const running = new Map(live.map((disk) => [disk.target, disk]));
  const wanted = new Set(persistent.map((disk) => disk.target));
  return (
    live.some((disk) => !wanted.has(disk.target)) ||
    persistent.some((disk) => {
      const now = running.get(disk.target);
      return now === undefined ? !disk.optional : diskDiffers(now, disk, isSame);
    })
  );
}

function diskDiffers(live: DiskConfig, persistent: DiskConfig, isSame: IsSameFile): boolean {
  return (
    live.device !== persistent.device ||
    live.bus !== persistent.bus ||
    cacheDiffers(live, persistent) ||
    // QEMU's defaults.
    (live.io ?? 'threads') !== (persistent.io ?? 'threads') ||
    (live.discard ?? 'ignore') !== (persistent.discard ?? 'ignore') ||
    live.serial !== persistent.serial ||
    sourceDiffers(live, persistent, isSame)
  );
}

/** Without a cache mode QEMU uses `writeback`. */
function cacheDiffers(live: DiskConfig, persistent: DiskConfig): boolean {
  // qemuDomainPrepareDiskCachemode: a shareable disk without a cache mode starts with none.
  if (persistent.shareable && persistent.cache === undefined && live.cache === 'none') return false;
  return (live.cache ?? 'writeback') !== (persistent.cache ?? 'writeback');
}

function formatDiffers(live: DiskConfig, persistent: DiskConfig): boolean {
  return live.format !== undefined && persistent.format !== undefined && live.format !== persistent.format;
}

function isRemovable({ device }: DiskConfig): boolean {
  return device === 'cdrom' || device === 'floppy';
}

/** Types of a disk whose source is a path on the host. */
const PATH_TYPES: ReadonlySet<string> = new Set(['file', 'block', 'dir']);

function sourceDiffers(live: DiskConfig, persistent: DiskConfig, isSame: IsSameFile): boolean {
  // Media are changed while the domain runs, so no change of them waits for a stop.
  if (isRemovable(persistent)) return false;
  if (live.type !== persistent.type) return live.type !== 'volume' && persistent.type !== 'volume';
  if (isOverlayOfTransient(live.source, persistent.source)) return false;
  if (live.source === persistent.source)
    return formatDiffers(live, persistent) || !isSameHosts(live.hosts, persistent.hosts);
  if (live.source === undefined || persistent.source === undefined) return true;
  if (!PATH_TYPES.has(live.type) || !isSame(live.source, persistent.source)) return true;
  return formatDiffers(live, persistent);
}

/** A disk with `<transient/>` runs on an overlay that libvirt names PATH.TRANSIENT-DOMAIN. */
function isOverlayOfTransient(live: string | undefined, persistent: string | undefined): boolean {
  return live !== undefined && persistent !== undefined && live.startsWith(`${persistent}.TRANSIENT-`);
}

/** The same servers in any order. libvirt fills in the default for a missing port at start. */
function isSameHosts(live: readonly DiskHost[], persistent: readonly DiskHost[]): boolean {
  const exact = (it: DiskHost) => live.some((host) => host.name === it.name && host.port === it.port);
  const inexact = persistent.filter((it) => !exact(it));
  const unmatched = live.filter(
    (it) => !persistent.some((host) => host.name === it.name && host.port === it.port),
  );
  return (
    unmatched.length === inexact.length &&
    unmatched.every((it) =>
      inexact.some((host) => host.name === it.name && (host.port === undefined || it.port === undefined)),
    )
  );
}
