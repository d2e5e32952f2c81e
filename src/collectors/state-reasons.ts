import { DOMAIN_STATES } from './domain-states.ts';

/**
 * Names of the reasons of each state, indexed by their numbers: virDomainRunningReason and its siblings, without the prefix
 * (libvirt: include/libvirt/libvirt-domain.h, 12.8).
 */
const REASONS: Readonly<Record<(typeof DOMAIN_STATES)[number], readonly string[]>> = {
  nostate: ['unknown'],
  running: [
    'unknown',
    'booted',
    'migrated',
    'restored',
    'from_snapshot',
    'unpaused',
    'migration_canceled',
    'save_canceled',
    'wakeup',
    'crashed',
    'postcopy',
    'postcopy_failed',
  ],
  blocked: ['unknown'],
  paused: [
    'unknown',
    'user',
    'migration',
    'save',
    'dump',
    'ioerror',
    'watchdog',
    'from_snapshot',
    'shutting_down',
    'snapshot',
    'crashed',
    'starting_up',
    'postcopy',
    'postcopy_failed',
    'api_error',
  ],
  shutdown: ['unknown', 'user'],
  shutoff: [
    'unknown',
    'shutdown',
    'destroyed',
    'crashed',
    'migrated',
    'saved',
    'failed',
    'from_snapshot',
    'daemon',
  ],
  crashed: ['unknown', 'panicked'],
  pmsuspended: ['unknown'],
};

/** All reasons of all states. */
export const STATE_REASONS: readonly string[] = [
  ...new Set(DOMAIN_STATES.flatMap((state) => REASONS[state])),
];

/** Names of a virDomainState and its reason; a reason of a newer libvirt is `unknown`. */
export function describeState(
  state: number,
  reason: number,
): { readonly state: string; readonly reason: string } | undefined {
  const name = DOMAIN_STATES[state];
  return name && { state: name, reason: REASONS[name][reason] ?? 'unknown' };
}
