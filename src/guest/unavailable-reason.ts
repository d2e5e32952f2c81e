import { LibvirtServerError, LibvirtTransportError, ServerErrorNumber } from '../libvirt/errors.ts';
import { GuestReplyError } from './guest-text.ts';

/** The families of values that a probe fetches; each has its own reason when it is missing. */
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

/** The values of the label `reason` of `libvirt_domain_guest_probe_errors_total`. */
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

/** Reasons that every further command of the same probe would meet too. */
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

/** A backup or a job of libvirt runs, QEMU does not respond, or the domain is paused: no failure of the agent. */
export function isPassing(reason: UnavailableReason): boolean {
  return reason === 'frozen' || reason === 'busy';
}

/**
 * Why a command got no usable answer; undefined when the error says nothing of the guest, such as a lost connection
 * to libvirt. Before libvirt 11.2 a failed command has the number of an internal error, so the message decides.
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
    // "domain is not running": the domain is paused. A domain that stopped is no longer a target.
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
    // A reply beyond libvirt's limits of 4 and 10 MiB, which the guest caused.
    case ServerErrorNumber.rpc:
    case ServerErrorNumber.systemError:
      return reasonFromMessage(error.message);
    default:
      // An error of libvirt itself.
      return 'busy';
  }
}

function reasonFromMessage(message: string): UnavailableReason {
  if (/frozen/i.test(message)) return 'frozen';
  if (/disabled|not allowed|permission denied/i.test(message)) return 'command_disabled';
  if (/no such file|not found|not been found|not supported|unsupported/i.test(message)) return 'unsupported';
  return 'invalid_reply';
}
