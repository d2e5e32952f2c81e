import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { CPU_MODES, type GuestCpu, PRESSURE_RESOURCES } from '../../../src/guest/guest-sample.ts';
import {
  ACCEPTED_AFTER_MS,
  type Advance,
  advance,
  type CounterSample,
  type MonotonicState,
} from '../../../src/guest/monotonic.ts';

const BOOT = 1_795_392_912;
const CPU: GuestCpu = {
  user: 100,
  nice: 10,
  system: 50,
  idle: 1000,
  iowait: 30,
  irq: 0,
  softirq: 5,
  steal: 2,
};
const SAMPLE: CounterSample = {
  sampledAt: 0,
  domainRunId: 'run-1',
  bootTimeSeconds: BOOT,
  mayHaveBooted: false,
  cpu: CPU,
  pressure: {
    io: { waitingSeconds: 20, stalledSeconds: 10 },
    cpu: { waitingSeconds: 3, stalledSeconds: undefined },
  },
};

const sample = (cpu: Partial<GuestCpu>, more: Partial<CounterSample> = {}): CounterSample => ({
  ...SAMPLE,
  ...more,
  cpu: { ...CPU, ...cpu },
});

/** The samples one after the other; the last result. */
function run(...samples: readonly CounterSample[]): Advance {
  return samples.reduce<Advance>((last, next) => advance(last.state, next), advance(undefined, SAMPLE));
}

const HALF: GuestCpu = {
  user: 50,
  nice: 5,
  system: 25,
  idle: 500,
  iowait: 15,
  irq: 0,
  softirq: 2,
  steal: 1,
};

const TWENTIETH: GuestCpu = {
  user: 5,
  nice: 0,
  system: 2,
  idle: 50,
  iowait: 1,
  irq: 0,
  softirq: 0,
  steal: 0,
};

describe('advance', () => {
  test('the first sample is served as it is', () => {
    expect(run()).toMatchObject({ cpu: CPU, pressure: SAMPLE.pressure, regressed: [] });
  });

  test('counters that rise or stand still are served as they are', () => {
    const next = sample({ user: 110, idle: 1020, iowait: 31 });
    expect(run(next)).toMatchObject({ cpu: next.cpu, pressure: SAMPLE.pressure, regressed: [] });
    expect(run(SAMPLE)).toMatchObject({ cpu: CPU, regressed: [] });
  });

  test('iowait that goes backwards is held until it is passed, and is no error', () => {
    expect(run(sample({ iowait: 29.5, idle: 1010 }))).toMatchObject({
      cpu: { iowait: 30, idle: 1010 },
      regressed: [],
    });
    expect(run(sample({ iowait: 29.5 }), sample({ iowait: 29.9 })).cpu?.iowait).toBe(30);
    expect(run(sample({ iowait: 29.5 }), sample({ iowait: 30.1 })).cpu?.iowait).toBe(30.1);
  });

  test('iowait stays held for as long as a guest does no I/O', () => {
    const idle = Array.from({ length: 100 }, (_, index) => sample({ iowait: 29, idle: 1010 + index }));
    expect(run(...idle)).toMatchObject({ cpu: { iowait: 30 }, regressed: [] });
  });

  test('another counter that falls is dropped and named, until it is back', () => {
    const fallen = run(sample({ user: 99, idle: 1010 }));
    expect(fallen.cpu).toEqual({ ...CPU, user: undefined, idle: 1010 });
    expect(fallen.regressed).toEqual(['cpu.user']);
    const still = advance(fallen.state, sample({ user: 99.9, idle: 1020 }));
    expect(still.regressed).toEqual(['cpu.user']);
    const back = advance(still.state, sample({ user: 100, idle: 1030 }));
    expect(back).toMatchObject({ cpu: { user: 100 }, regressed: [] });
  });

  test('pressure that falls: stalled alone, or the resource', () => {
    const pressure = (waitingSeconds: number, stalledSeconds: number) =>
      run({ ...SAMPLE, pressure: { ...SAMPLE.pressure, io: { waitingSeconds, stalledSeconds } } });
    expect(pressure(21, 9)).toMatchObject({
      pressure: { io: { waitingSeconds: 21, stalledSeconds: undefined }, cpu: { waitingSeconds: 3 } },
      regressed: ['pressure.io.stalled'],
    });
    const fallen = pressure(19, 11);
    expect(fallen.regressed).toEqual(['pressure.io.waiting']);
    expect(Object.keys(fallen.pressure ?? {})).toEqual(['cpu']);
  });

  test('what a sample lacks is lacking, and cannot come back lower', () => {
    const without = run({ ...SAMPLE, cpu: undefined, pressure: undefined });
    expect(without).toMatchObject({ cpu: undefined, pressure: undefined, regressed: [] });
    expect(advance(without.state, sample({ user: 99 })).regressed).toEqual(['cpu.user']);
  });
});

describe('a guest that was started anew', () => {
  test.each([
    ['boot time moved forwards', { bootTimeSeconds: BOOT + 600 }],
    ['boot time moved backwards: its clock is wrong after the reboot', { bootTimeSeconds: 0 }],
    ['another run', { domainRunId: 'run-2' }],
    ['another run without a boot time', { domainRunId: 'run-2', bootTimeSeconds: undefined }],
  ])('%s', (_, more) => {
    const next: CounterSample = { ...SAMPLE, cpu: HALF, ...more };
    expect(run(next)).toMatchObject({ cpu: HALF, pressure: next.pressure, regressed: [] });
    expect(run(next, { ...next, cpu: { ...HALF, user: 49 } }).cpu?.user).toBeUndefined();
  });

  test.each([
    ['not known any more', BOOT],
    ['never known', undefined],
  ])('boot time %s, and everything fell to near zero', (_, bootTimeSeconds) => {
    const first = advance(undefined, { ...SAMPLE, bootTimeSeconds });
    const next = { ...SAMPLE, bootTimeSeconds: undefined, pressure: undefined, cpu: TWENTIETH };
    expect(advance(first.state, next)).toMatchObject({ cpu: TWENTIETH, regressed: [] });
  });

  test('boot time never known, and everything fell by half: a CPU was unplugged, and nothing seems to jump', () => {
    const first = advance(undefined, { ...SAMPLE, bootTimeSeconds: undefined });
    const { cpu, regressed } = advance(first.state, { ...SAMPLE, bootTimeSeconds: undefined, cpu: HALF });
    expect(cpu?.idle).toBeUndefined();
    expect(regressed).toContain('cpu.idle');
  });

  describe('as libvirt saw it reboot, or its agent come anew, while no boot time is known', () => {
    const noBootTime = { bootTimeSeconds: undefined, pressure: undefined };
    const first = advance(undefined, { ...SAMPLE, ...noBootTime });
    // Ten minutes up before, and a minute after: not near zero.
    const since = (cpu: Partial<GuestCpu>) => sample(cpu, { ...noBootTime, mayHaveBooted: true });

    test('a counter that fell by half has started anew', () => {
      const next = since(HALF);
      expect(advance(first.state, next)).toMatchObject({ cpu: HALF, regressed: [] });
      expect(advance(first.state, { ...next, mayHaveBooted: false }).cpu?.idle).toBeUndefined();
    });

    test('nothing has that is above its total; iowait wavers still', () => {
      const next = since({ user: 101, iowait: 29 });
      expect(advance(first.state, next)).toMatchObject({ cpu: { user: 101, iowait: 30 }, regressed: [] });
    });

    test('a boot time that stood still says that it did not boot', () => {
      expect(run({ ...SAMPLE, cpu: HALF, mayHaveBooted: true }).regressed).toContain('cpu.idle');
    });
  });

  test('iowait alone fell, as the guest was away until the others had outgrown their totals', () => {
    const later = sample({ user: 1_000, idle: 9_000, iowait: 1 }, { bootTimeSeconds: BOOT + 86_400 });
    expect(run(later).cpu?.iowait).toBe(1);
    expect(run(later, { ...later, cpu: { ...later.cpu, iowait: 4 } as GuestCpu }).cpu?.iowait).toBe(4);
  });

  test('iowait starts anew with the others', () => {
    expect(run(sample({ user: 1, iowait: 1 }, { bootTimeSeconds: BOOT + 60 })).cpu?.iowait).toBe(1);
  });

  test('a reboot that a sample without counters saw is not forgotten', () => {
    const rebooted = { bootTimeSeconds: BOOT + 600 };
    const next = { ...SAMPLE, ...rebooted, cpu: HALF };
    expect(run({ ...SAMPLE, ...rebooted, cpu: undefined }, next)).toMatchObject({
      cpu: HALF,
      regressed: [],
    });
  });
});

describe('no restart', () => {
  test.each([-5, -2, -1, 1, 2, 5])('boot time that wavers by %d s excuses nothing', (seconds) => {
    expect(run(sample({ user: 99 }, { bootTimeSeconds: BOOT + seconds })).regressed).toEqual(['cpu.user']);
  });

  test('boot time that drifts slowly excuses nothing, however far it gets', () => {
    const drift = Array.from({ length: 20 }, (_, index) => sample({}, { bootTimeSeconds: BOOT + 5 * index }));
    const next = sample({ user: 99 }, { bootTimeSeconds: BOOT + 100 });
    expect(run(...drift, next).regressed).toEqual(['cpu.user']);
  });

  test('a step of the clock while iowait falls holds iowait all the same', () => {
    const stepped = sample({ user: 101, iowait: 29 }, { bootTimeSeconds: BOOT + 3600 });
    expect(run(stepped)).toMatchObject({ cpu: { user: 101, iowait: 30 }, regressed: [] });
    expect(run(stepped, sample({ user: 100 }, { bootTimeSeconds: BOOT + 3600 })).regressed).toEqual([
      'cpu.user',
    ]);
  });

  test('everything falls at one and the same boot time', () => {
    const { cpu, regressed } = run({ ...SAMPLE, cpu: HALF });
    expect(regressed).toEqual(CPU_MODES.filter((mode) => mode !== 'irq').map((mode) => `cpu.${mode}`));
    expect(cpu).toEqual({ ...Object.fromEntries(CPU_MODES.map((mode) => [mode, undefined])), irq: 0 });
  });

  test('pressure that falls holds iowait all the same', () => {
    const pressure = { io: { waitingSeconds: 19, stalledSeconds: 9 } };
    const { cpu, regressed } = run(sample({ iowait: 29 }, { pressure }));
    expect(cpu?.iowait).toBe(30);
    expect(regressed).toEqual(['pressure.io.waiting', 'pressure.io.stalled']);
  });

  test('without a boot time one counter falls while others rise', () => {
    expect(run(sample({ user: 99, idle: 1010 }, { bootTimeSeconds: undefined })).regressed).toEqual([
      'cpu.user',
    ]);
  });
});

describe('counters that fell for good', () => {
  const FELL_AT = 30_000;
  const fell = (afterMs: number, cpu: GuestCpu | undefined = HALF): CounterSample => ({
    ...SAMPLE,
    sampledAt: FELL_AT + afterMs,
    cpu,
  });
  const ratedModes = ({ cpu }: Advance) =>
    CPU_MODES.filter((mode) => mode !== 'irq' && cpu?.[mode] !== undefined);

  test.each([1_000, 30_000, ACCEPTED_AFTER_MS + 30_000])(
    'are dropped, iowait with them, for longer than a rate looks back, and then accepted: read every %i ms',
    (intervalMs) => {
      let last = run(fell(0));
      for (let afterMs = 0; afterMs < ACCEPTED_AFTER_MS; afterMs += intervalMs) {
        last = advance(last.state, fell(afterMs));
        expect(ratedModes(last)).toEqual([]);
      }
      const accepted = advance(last.state, fell(ACCEPTED_AFTER_MS));
      expect(accepted).toMatchObject({ cpu: HALF, regressed: [] });
      expect(advance(accepted.state, fell(ACCEPTED_AFTER_MS + 1))).toMatchObject({
        cpu: HALF,
        regressed: [],
      });
    },
  );

  test('are not accepted when they were back in between', () => {
    const back = run(fell(0), fell(ACCEPTED_AFTER_MS - 1), fell(ACCEPTED_AFTER_MS - 1, CPU));
    expect(ratedModes(advance(back.state, fell(ACCEPTED_AFTER_MS)))).toEqual([]);
  });

  test('are accepted as soon where samples in between lacked them', () => {
    const lacking = run(fell(0), fell(ACCEPTED_AFTER_MS - 1, undefined));
    expect(advance(lacking.state, fell(ACCEPTED_AFTER_MS)).cpu).toEqual(HALF);
  });

  test('take nothing along that fell later', () => {
    const later = { ...CPU, user: 50 };
    const both = run(fell(0, later), fell(ACCEPTED_AFTER_MS, { ...later, idle: 500, iowait: 15 }));
    expect(both.cpu).toMatchObject({ user: 50, idle: undefined, iowait: undefined });
    expect(both.regressed).toEqual(['cpu.idle', 'cpu.iowait']);
  });
});

describe('a hostile guest', () => {
  test('that makes up a boot time for each sample gets resets, no errors', () => {
    const flips = Array.from({ length: 50 }, (_, index) =>
      sample(index % 2 === 0 ? HALF : {}, { bootTimeSeconds: index % 2 === 0 ? 0 : BOOT }),
    );
    let state: MonotonicState | undefined;
    for (const next of flips) {
      const result = advance(state, next);
      expect(result).toMatchObject({ cpu: next.cpu, regressed: [] });
      state = result.state;
    }
  });

  const seconds = fc.option(fc.oneof(fc.nat({ max: 5 }), fc.double({ min: 0, max: 2 ** 53, noNaN: true })), {
    nil: undefined,
  });
  const totals = fc.record({ waitingSeconds: seconds.map((value) => value ?? 0), stalledSeconds: seconds });
  const anySample: fc.Arbitrary<CounterSample> = fc.record({
    sampledAt: fc.constant(0),
    domainRunId: fc.constantFrom('a', 'a', 'a', 'a', 'b'),
    bootTimeSeconds: fc.option(fc.constantFrom(BOOT, BOOT, BOOT, BOOT + 3, BOOT + 60, 0), { nil: undefined }),
    mayHaveBooted: fc.boolean(),
    cpu: fc.option(
      fc
        .tuple(...CPU_MODES.map(() => seconds))
        .map(
          (values) => Object.fromEntries(CPU_MODES.map((mode, index) => [mode, values[index]])) as GuestCpu,
        ),
      { nil: undefined },
    ),
    pressure: fc.option(
      fc.record(Object.fromEntries(PRESSURE_RESOURCES.map((name) => [name, totals])), { requiredKeys: [] }),
      { nil: undefined },
    ),
  });

  const pauses = fc.constantFrom(1_000, 60_000, ACCEPTED_AFTER_MS - 1, ACCEPTED_AFTER_MS);

  test('never makes a served counter fall, but by a restart of them all or after a gap; what is kept stays bounded', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anySample, pauses), { maxLength: 40 }), (samples) => {
        let state: MonotonicState | undefined;
        let last = new Map<string, { value: number; sampledAt: number }>();
        let sampledAt = 0;
        for (const [sample, pause] of samples) {
          sampledAt += pause;
          const next = { ...sample, sampledAt };
          const result = advance(state, next);
          if (state === undefined || isRestart(state, result, next)) last = new Map();
          for (const [name, value] of served(result)) {
            const before = last.get(name);
            if (before !== undefined && value < before.value)
              expect(sampledAt - before.sampledAt).toBeGreaterThan(ACCEPTED_AFTER_MS);
            last.set(name, { value, sampledAt });
          }
          expect(result.state.totals.size).toBeLessThanOrEqual(14);
          expect(result.state.droppedSince.size).toBeLessThanOrEqual(14);
          expect(result.regressed.length).toBeLessThanOrEqual(14);
          state = result.state;
        }
      }),
      { numRuns: 300 },
    );
  });
});

/** Whether what is kept was made of this sample alone. */
function isRestart(before: MonotonicState, { state, regressed }: Advance, next: CounterSample): boolean {
  if (before.domainRunId !== next.domainRunId) return true;
  const fell = [...before.totals].some(([name, total]) => (state.totals.get(name) ?? -1) < total);
  return fell && regressed.length === 0 && state.droppedSince.size === 0;
}

function served({ cpu, pressure }: Advance): [string, number][] {
  const values: [string, number | undefined][] = CPU_MODES.map((mode) => [mode, cpu?.[mode]]);
  for (const resource of PRESSURE_RESOURCES) {
    values.push([`${resource} waiting`, pressure?.[resource]?.waitingSeconds]);
    values.push([`${resource} stalled`, pressure?.[resource]?.stalledSeconds]);
  }
  return values.filter((entry): entry is [string, number] => entry[1] !== undefined);
}

describe('a counter that rises by more than the time since the last sample', () => {
  const MINUTE = 60_000;
  const at = (minutes: number, cpu: Partial<GuestCpu>, cpus = 2) =>
    sample(cpu, { sampledAt: minutes * MINUTE, cpus });

  test('is dropped and named: a CPU came back with its old times', () => {
    const jumped = run(at(1, { idle: 1_110, user: 400 }));
    expect(jumped.cpu).toMatchObject({ user: undefined, idle: 1_110 });
    expect(jumped.regressed).toEqual(['cpu.user']);
  });

  test('is served again when it is back, and accepted once a rate does not see the jump', () => {
    const jumped = run(at(1, { user: 5_000 }));
    expect(advance(jumped.state, at(2, { user: 130 }))).toMatchObject({ cpu: { user: 130 }, regressed: [] });
    const later = advance(jumped.state, at(1 + ACCEPTED_AFTER_MS / MINUTE, { user: 5_000 }));
    expect(later).toMatchObject({ cpu: { user: 5_000 }, regressed: [] });
    const next = advance(later.state, at(8, { user: 5_010 }));
    expect(next).toMatchObject({ cpu: { user: 5_010 }, regressed: [] });
  });

  test('is served as it is where it had the time', () => {
    expect(run(at(10, { user: 1_200 }))).toMatchObject({ cpu: { user: 1_200 }, regressed: [] });
  });

  test('tasks wait no longer than the time that passes', () => {
    const pressure = { io: { waitingSeconds: 200, stalledSeconds: 30 } };
    const jumped = run({ ...SAMPLE, sampledAt: MINUTE, pressure });
    expect(jumped.pressure).toEqual({});
    expect(jumped.regressed).toEqual(['pressure.io.waiting']);
  });
});
