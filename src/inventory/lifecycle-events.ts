import { type DomainEvent, Lifecycle, LifecycleDetail } from '../libvirt/events.ts';

/** The lifecycle events that are counted, in the order in which they are served. */
export const LIFECYCLE_EVENTS = [
  'started',
  'stopped',
  'crashed',
  'rebooted',
  'suspended',
  'resumed',
  'migrated',
  'panicked',
] as const;

export type LifecycleEventName = (typeof LIFECYCLE_EVENTS)[number];
export type LifecycleEventCounts = Readonly<Record<LifecycleEventName, number>>;

export const NO_EVENTS: LifecycleEventCounts = {
  started: 0,
  stopped: 0,
  crashed: 0,
  rebooted: 0,
  suspended: 0,
  resumed: 0,
  migrated: 0,
  panicked: 0,
};

const CRASHED_DETAILS: readonly number[] = [LifecycleDetail.stoppedCrashed, LifecycleDetail.stoppedFailed];

/**
 * Name of the counted event; undefined for an event that is not counted. A migration is "started" on the target host and
 * "stopped" on the source host, each with its own detail. When QEMU is killed, or fails while it restores a saved domain,
 * the event is "stopped" with the detail "failed" (observed on libvirt 7.0 to 12.8).
 */
export function lifecycleEventName(event: DomainEvent): LifecycleEventName | undefined {
  if (event.kind === 'reboot') return 'rebooted';
  if (event.kind !== 'lifecycle') return undefined;
  switch (event.event) {
    case Lifecycle.started:
      return event.detail === LifecycleDetail.startedMigrated ? 'migrated' : 'started';
    case Lifecycle.stopped:
      if (event.detail === LifecycleDetail.stoppedMigrated) return 'migrated';
      return CRASHED_DETAILS.includes(event.detail) ? 'crashed' : 'stopped';
    case Lifecycle.suspended:
      return 'suspended';
    case Lifecycle.resumed:
      return 'resumed';
    case Lifecycle.crashed:
      return event.detail === LifecycleDetail.crashedPanicked ? 'panicked' : 'crashed';
    default:
      return undefined;
  }
}
