import { describe, expect, test } from '@jest/globals';
import type { ProbeEnding } from '../../../src/guest/probe-schedule.ts';
import {
  dueEntry,
  newProbeState,
  type ProbeEvent,
  type ProbePhase,
  type ProbeState,
  SETTLING_MS,
  transition,
  unavailableFor,
} from '../../../src/guest/probe-state.ts';
import type { UnavailableReason } from '../../../src/guest/unavailable-reason.ts';

const INTERVAL_MS = 30_000;
const NOW = 1_000_000;

const GUEST = { uuid: 'vm-1', cpuShare: 0.5 };
const FAR_AWAY = { dueAt: NOW + 20_000, expedited: false };
const WAITING: ProbePhase = { name: 'waiting', ...FAR_AWAY };
const PROBING: ProbePhase = { name: 'probing', startedAt: NOW - 1_000, requested: false };
const FINISHING: ProbePhase = {
  name: 'finishing',
  startedAt: NOW - 1_000,
  requested: false,
  reason: 'agent_disconnected',
};
const UNAVAILABLE: ProbePhase = { name: 'unavailable', reason: 'agent_disconnected', ...FAR_AWAY };

const available: ProbeEvent = { kind: 'target-changed', unavailable: undefined };
const unavailable = (reason: UnavailableReason): ProbeEvent => ({
  kind: 'target-changed',
  unavailable: reason,
});
const requested: ProbeEvent = { kind: 'probe-requested' };
const started: ProbeEvent = { kind: 'probe-started' };
/** Without jitter. */
const ended = (ending: ProbeEnding): ProbeEvent => ({ kind: 'probe-ended', ending, random: 0.5 });

function stateIn(phase: ProbePhase, changes: Partial<ProbeState> = {}): ProbeState {
  return { ...newProbeState(0), ...changes, phase };
}

const move = (state: ProbeState, event: ProbeEvent, now = NOW): ProbeState =>
  transition(state, event, now, INTERVAL_MS);

const REGULAR = { dueAt: NOW + INTERVAL_MS, expedited: false };
const SOON = { dueAt: NOW + SETTLING_MS, expedited: true };

describe('the phase after', () => {
  test.each<[string, string, ProbePhase, ProbeEvent, ProbePhase]>([
    ['waiting', 'unavailable', WAITING, unavailable('no_channel'), { ...UNAVAILABLE, reason: 'no_channel' }],
    ['waiting', 'requested', WAITING, requested, { name: 'waiting', ...SOON }],
    ['waiting', 'started', WAITING, started, { name: 'probing', startedAt: NOW, requested: false }],
    ['probing', 'unavailable', PROBING, unavailable('agent_disconnected'), FINISHING],
    ['probing', 'requested', PROBING, requested, { ...PROBING, requested: true }],
    ['probing', 'ended', PROBING, ended('complete'), { name: 'waiting', ...REGULAR }],
    [
      'probing with a request',
      'ended',
      { ...PROBING, requested: true },
      ended('failed'),
      { name: 'waiting', ...SOON },
    ],
    [
      'finishing',
      'unavailable for another reason',
      FINISHING,
      unavailable('busy'),
      { ...FINISHING, reason: 'busy' },
    ],
    ['finishing', 'available', FINISHING, available, { ...PROBING, requested: true }],
    ['finishing', 'requested', FINISHING, requested, { ...FINISHING, requested: true }],
    ['finishing', 'ended', FINISHING, ended('failed'), { ...UNAVAILABLE, ...REGULAR }],
    [
      'finishing with a request',
      'ended',
      { ...FINISHING, requested: true },
      ended('failed'),
      { ...UNAVAILABLE, ...SOON },
    ],
    [
      'unavailable',
      'unavailable for another reason',
      UNAVAILABLE,
      unavailable('opted_out'),
      { ...UNAVAILABLE, reason: 'opted_out' },
    ],
    ['unavailable', 'available', UNAVAILABLE, available, { name: 'waiting', dueAt: NOW, expedited: true }],
    ['unavailable', 'requested', UNAVAILABLE, requested, { ...UNAVAILABLE, ...SOON }],
  ])('%s, %s', (_phase, _event, before, event, expected) => {
    expect(move(stateIn(before), event).phase).toEqual(expected);
  });

  test.each<[string, string, ProbePhase, ProbeEvent]>([
    ['waiting', 'available', WAITING, available],
    ['waiting', 'ended', WAITING, ended('complete')],
    ['probing', 'available', PROBING, available],
    ['probing', 'started', PROBING, started],
    ['finishing', 'unavailable for the same reason', FINISHING, unavailable('agent_disconnected')],
    ['finishing', 'started', FINISHING, started],
    ['unavailable', 'unavailable for the same reason', UNAVAILABLE, unavailable('agent_disconnected')],
    ['unavailable', 'started', UNAVAILABLE, started],
    ['unavailable', 'ended', UNAVAILABLE, ended('complete')],
  ])('%s is the same after an event that changes nothing: %s', (_phase, _event, before, event) => {
    const state = stateIn(before);
    expect(move(state, event)).toBe(state);
  });
});

test('no transition changes the state that it is given', () => {
  const events = [
    available,
    unavailable('busy'),
    unavailable('no_channel'),
    requested,
    started,
    ended('failed'),
  ];
  for (const phase of [WAITING, PROBING, FINISHING, UNAVAILABLE]) {
    const state = stateIn(phase);
    const copy = structuredClone(state);
    for (const event of events) move(state, event);
    expect(state).toEqual(copy);
  }
});

describe('the time without a way to the agent', () => {
  test('does not count as waiting', () => {
    const long = stateIn({ ...UNAVAILABLE, dueAt: NOW - 600_000 });
    expect(move(long, available).phase).toEqual({ name: 'waiting', dueAt: NOW, expedited: false });
  });

  test('ends with a probe soon, within the rate limit', () => {
    const limited = stateIn(UNAVAILABLE, { rateLimitedUntil: NOW + 5_000 });
    expect(move(limited, available).phase).toMatchObject({ dueAt: NOW + 5_000, expedited: true });
  });
});

test('an expedited probe sets the rate limit when it starts, a regular one does not', () => {
  const expedited = stateIn({ name: 'waiting', ...SOON });
  expect(move(expedited, started).rateLimitedUntil).toBe(NOW + INTERVAL_MS);
  expect(move(stateIn(WAITING), started).rateLimitedUntil).toBe(Number.NEGATIVE_INFINITY);
});

describe('reliability', () => {
  const KNOWN = {
    answered: true,
    failures: 3,
    postponements: 4,
    probesUntilTrusted: 0,
    lastDurationMs: 200,
  };

  test('after a probe has the time that the probe took', () => {
    expect(move(stateIn(PROBING), ended('complete')).reliability).toMatchObject({
      answered: true,
      lastDurationMs: 1_000,
    });
  });

  test.each<[string, ProbePhase, ProbeEvent]>([
    ['a request', WAITING, requested],
    ['a request during a probe', PROBING, requested],
    ['the end of unavailability', UNAVAILABLE, available],
  ])('after %s keeps one failure', (_name, phase, event) => {
    const { reliability } = move(stateIn(phase, { reliability: KNOWN }), event);
    expect(reliability).toMatchObject({ failures: 1, postponements: 0 });
  });

  test.each<[UnavailableReason, boolean]>([
    ['agent_disconnected', false],
    ['no_channel', false],
    ['opted_out', false],
    ['read_only', false],
    ['busy', true],
  ])('after a time with the reason %s still holds: %s', (reason, holds) => {
    const { reliability } = move(stateIn({ ...UNAVAILABLE, reason }, { reliability: KNOWN }), available);
    expect(reliability).toMatchObject(
      holds ? { answered: true, lastDurationMs: 200 } : { answered: false, lastDurationMs: undefined },
    );
  });

  test('from before a disconnection does not come back through a time in which QEMU does not respond', () => {
    const gone = stateIn(UNAVAILABLE, { reliability: KNOWN });
    const { reliability } = move(move(gone, unavailable('busy')), available);
    expect(reliability).toMatchObject({ answered: false, lastDurationMs: undefined });
  });
});

describe('a guest', () => {
  test('that has just appeared is due at the given time', () => {
    expect(dueEntry(newProbeState(NOW), GUEST, NOW)).toEqual({
      uuid: GUEST.uuid,
      dueAt: NOW,
      expectedMs: 3_000,
      trusted: false,
      cpuShare: 0.5,
    });
  });

  test('is in the schedule while it waits and is due, and only then', () => {
    const { dueAt } = FAR_AWAY;
    expect(dueEntry(stateIn(WAITING), GUEST, dueAt - 1)).toBeUndefined();
    expect(dueEntry(stateIn(WAITING), GUEST, dueAt)).toMatchObject({ dueAt });
    for (const phase of [PROBING, FINISHING, UNAVAILABLE])
      expect(dueEntry(stateIn(phase), GUEST, dueAt)).toBeUndefined();
  });

  test.each<[ProbePhase, UnavailableReason | undefined]>([
    [WAITING, undefined],
    [PROBING, undefined],
    [FINISHING, 'agent_disconnected'],
    [UNAVAILABLE, 'agent_disconnected'],
  ])('has a reason to be unavailable: %j', (phase, reason) => {
    expect(unavailableFor(stateIn(phase))).toBe(reason);
  });
});

test('a day of probes, events and disconnections in fake time keeps to the rate', () => {
  let state = newProbeState(0);
  let probes = 0;
  let now = 0;
  const start = (): void => {
    if (dueEntry(state, GUEST, now) === undefined) return;
    probes += 1;
    state = move(state, started, now);
    state = move(state, ended(probes % 7 === 0 ? 'failed' : 'complete'), now + 100);
  };
  const DAY_MS = 86_400_000;
  for (let second = 0; now < DAY_MS; second++, now = second * 1_000) {
    if (second % 3 === 0) state = move(state, requested, now);
    if (second % 10 === 0) state = move(state, unavailable('agent_disconnected'), now);
    if (second % 10 === 2) state = move(state, available, now);
    start();
  }
  // A guest that causes events all the time gets at most one expedited and one regular probe in an interval.
  expect(probes).toBeLessThanOrEqual((2 * DAY_MS) / INTERVAL_MS);
  expect(probes).toBeGreaterThanOrEqual((0.9 * DAY_MS) / INTERVAL_MS);
});
