import { allUnavailable, type GuestView, type ServedView } from './guest-state.ts';
import { isPassing, type UnavailableReason } from './unavailable-reason.ts';

/**
 * What is served of a guest at `now`; `unavailable` says why the guest cannot be probed.
 *
 * | the guest                                    | `agentUp`                         | the last sample   |
 * |----------------------------------------------|-----------------------------------|-------------------|
 * | can be probed                                | of the last probe                 | until it is stale |
 * | can be probed, but probes postponed, crashed | false once the sample is stale    | until it is stale |
 * | is unavailable for a passing reason          | of the last probe                 | until it is stale |
 * | is unavailable otherwise                     | false if an agent should be there | not served        |
 */
export function viewAt(
  served: ServedView,
  unavailable: UnavailableReason | undefined,
  now: number,
  staleMs: number,
): GuestView {
  const { view, sampledAt, unanswered } = served;
  if (unavailable !== undefined && !isPassing(unavailable)) return unavailableView(view, unavailable);
  const hasSample = view.sample !== undefined;
  if (hasSample && now - sampledAt <= staleMs) return view;
  if (unavailable !== undefined) return withoutSample(view, view.agentUp, unavailable);
  if (!hasSample) return view;
  // Where probes only waited for a slot or a connection, nothing is known against the agent.
  const agentUp = unanswered === undefined ? view.agentUp : false;
  return withoutSample(view, agentUp, unanswered ?? 'busy');
}

/**
 * The view once `reason` no longer keeps the guest from being probed. What was known before is gone with the agent,
 * unless the reason was a passing one. A refused read-write socket is only tried again: the guests stay refused until
 * a probe gets through.
 */
export function viewAfterUnavailable(served: ServedView, reason: UnavailableReason): ServedView {
  if (isPassing(reason)) return served;
  const view =
    reason === 'read_only'
      ? unavailableView(served.view, reason)
      : withoutSample(served.view, undefined, 'busy');
  return { ...served, view };
}

function unavailableView(view: GuestView, reason: UnavailableReason): GuestView {
  const isDown = reason === 'agent_disconnected' || reason === 'read_only';
  return withoutSample(view, isDown ? false : undefined, reason);
}

function withoutSample(view: GuestView, agentUp: boolean | undefined, reason: UnavailableReason): GuestView {
  return { ...view, agentUp, sample: undefined, filesystems: [], missing: allUnavailable(reason) };
}
