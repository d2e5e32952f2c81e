import { type DomainEvent, Lifecycle } from '../libvirt/events.ts';
import type { DomainConfig } from './domain-config.ts';

/** Why a request to a disk failed, by libvirt's event: the storage was full, no reason, or a reason of a newer QEMU. */
export const IO_ERROR_REASONS = ['no_space', 'unspecified', 'other'] as const;
export type IoErrorReason = (typeof IO_ERROR_REASONS)[number];

/** Events about a domain's disks, by target name. The counts are since the exporter started. */
export interface DiskEvents {
  readonly ioErrors: ReadonlyMap<string, Readonly<Record<IoErrorReason, number>>>;
  /** Writes beyond a threshold that a client of libvirt set. */
  readonly thresholds: ReadonlyMap<string, number>;
  /** Disks with an error for which QEMU paused the domain, since it was resumed last. */
  readonly pausedBy: ReadonlySet<string>;
}

export const NO_IO_ERRORS: Readonly<Record<IoErrorReason, number>> = {
  no_space: 0,
  unspecified: 0,
  other: 0,
};
export const NO_DISK_EVENTS: DiskEvents = {
  ioErrors: new Map(),
  thresholds: new Map(),
  pausedBy: new Set(),
};

/** Events about more disks of one domain than this are not counted. */
const MAX_DISKS = 1_024;

/** libvirt's names of the reasons (qemuMonitorJSONHandleIOError in src/qemu/qemu_monitor_json.c). */
const REASONS: ReadonlyMap<string, IoErrorReason> = new Map([
  ['enospc', 'no_space'],
  ['', 'unspecified'],
]);

/** Takes in an event; events that are not about disks change nothing. `config` is the running domain's, where it is known. */
export function afterDiskEvent(
  before: DiskEvents,
  event: DomainEvent,
  config: DomainConfig | undefined,
): DiskEvents {
  switch (event.kind) {
    case 'io-error': {
      // A disk that is not known by this name was unplugged since.
      const disk = config?.disks.find(({ alias }) => alias === event.alias)?.target ?? event.alias;
      const counts = before.ioErrors.get(disk) ?? NO_IO_ERRORS;
      const reason = REASONS.get(event.reason) ?? 'other';
      return {
        ...before,
        ioErrors: set(before.ioErrors, disk, { ...counts, [reason]: counts[reason] + 1 }),
        pausedBy: event.paused ? new Set([...before.pausedBy, disk]) : before.pausedBy,
      };
    }
    case 'block-threshold': {
      const { device } = event;
      // libvirt sends the event twice: for the disk, and for its topmost image.
      if (device.endsWith(']')) return before;
      return {
        ...before,
        thresholds: set(before.thresholds, device, (before.thresholds.get(device) ?? 0) + 1),
      };
    }
    case 'lifecycle':
      return event.event === Lifecycle.resumed && before.pausedBy.size > 0
        ? { ...before, pausedBy: new Set() }
        : before;
    default:
      return before;
  }
}

function set<T>(before: ReadonlyMap<string, T>, disk: string, value: T): ReadonlyMap<string, T> {
  return before.size >= MAX_DISKS && !before.has(disk) ? before : new Map(before).set(disk, value);
}
