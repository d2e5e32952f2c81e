import { LibvirtServerError, LibvirtTransportError, ServerErrorNumber } from '../libvirt/errors.ts';
import { GuestReplyError } from './guest-text.ts';

/** What a probe is after; each can be missing for a reason of its own. */
export const GUEST_FAMILIES = ['os', 'cpu', 'swap', 'memory', 'pressure', 'load'] as const;
export type GuestFamily = (typeof GUEST_FAMILIES)[number];

export type UnavailableReason =
  | 'no_channel'
  | 'agent_disconnected'
  | 'agent_silent'
  | 'command_disabled'
  | 'unsupported'
  | 'invalid_reply'
  | 'frozen'
  | 'busy'
  | 'balloon_period_off'
  | 'read_only'
  | 'opted_out';

/** Reasons counted as errors of a probe, the whole fixed list of `libvirt_domain_guest_probe_errors_total`. */
export const PROBE_ERRORS = [
  'agent_disconnected',
  'agent_silent',
  'command_disabled',
  'invalid_reply',
  'frozen',
  'busy',
  'read_only',
  'counter_regressed',
] as const;
export type ProbeError = (typeof PROBE_ERRORS)[number];

/** After these no other command of the same probe would fare better. */
const ENDS_PROBE: ReadonlySet<UnavailableReason> = new Set([
  'no_channel',
  'agent_disconnected',
  'agent_silent',
  'frozen',
  'busy',
  'read_only',
]);

export function endsProbe(reason: UnavailableReason): boolean {
  return ENDS_PROBE.has(reason);
}

/** A backup is at work, or libvirt is, or the domain is paused: not a failure of the agent, and over soon. */
export function isPassing(reason: UnavailableReason): boolean {
  return reason === 'frozen' || reason === 'busy';
}

/**
 * Why a command got no usable answer; undefined when the connection to libvirt is to blame and nothing is learnt
 * of the guest. Before libvirt 11.2 a command's failure has the number of an internal error, so words decide.
 */
export function unavailableReason(error: unknown): UnavailableReason | undefined {
  if (error instanceof GuestReplyError) return 'invalid_reply';
  if (error instanceof LibvirtTransportError) {
    return error.code === 'ERR_LIBVIRT_TIMEOUT' ? 'agent_silent' : undefined;
  }
  if (!(error instanceof LibvirtServerError)) return undefined;
  switch (error.number) {
    case ServerErrorNumber.agentUnresponsive:
      return error.message.includes('not connected') ? 'agent_disconnected' : 'agent_silent';
    case ServerErrorNumber.agentCommandTimeout:
      return 'agent_silent';
    case ServerErrorNumber.operationTimeout:
    // "domain is not running": it is paused, as one that has stopped is soon no longer known.
    case ServerErrorNumber.operationInvalid:
      return 'busy';
    case ServerErrorNumber.operationDenied:
    case ServerErrorNumber.accessDenied:
      return 'read_only';
    case ServerErrorNumber.noDomain:
      return 'agent_disconnected';
    case ServerErrorNumber.argumentUnsupported:
      return 'no_channel';
    case ServerErrorNumber.internalError:
    case ServerErrorNumber.agentCommandFailed:
    // A reply beyond libvirt's limits of 4 and 10 MiB: the guest's doing as well.
    case ServerErrorNumber.rpc:
    case ServerErrorNumber.systemError:
      return reasonOfCommandFailure(error.message);
    default:
      return 'busy'; // libvirt's own trouble, which says nothing of the guest
  }
}

function reasonOfCommandFailure(message: string): UnavailableReason {
  if (/frozen/i.test(message)) return 'frozen';
  if (/disabled|not allowed|permission denied/i.test(message)) return 'command_disabled';
  if (/no such file|not found|not been found|not supported|unsupported/i.test(message)) return 'unsupported';
  return 'invalid_reply';
}
