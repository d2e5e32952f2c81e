/**
 * Keeps a guest's counters from falling or jumping between two samples, unless the guest was restarted. Prometheus takes a
 * counter that falls for one that restarted at zero, and adds its whole value to the rate: years of CPU time in one
 * interval.
 */

import {
  CPU_MODES,
  type CpuMode,
  type GuestCpu,
  type GuestPressure,
  PRESSURE_RESOURCES,
  type PressureResource,
  type PressureTotals,
} from './guest-sample.ts';

/** The counters of one guest in one probe. */
export interface CounterSample {
  /** Milliseconds of the prober's clock. */
  readonly sampledAt: number;
  /** Identifies the run of the domain; in another run every counter restarts. */
  readonly domainRunId: string;
  /** Unix time in seconds; undefined when unknown. */
  readonly bootTimeSeconds: number | undefined;
  /** Since the last sample, libvirt reported a reboot or another agent. */
  readonly mayHaveBooted: boolean;
  /** vCPUs of the domain, at most; undefined when unknown. */
  readonly cpus?: number | undefined;
  readonly cpu: GuestCpu | undefined;
  readonly pressure: GuestPressure | undefined;
}

type CounterName = `cpu.${CpuMode}` | `pressure.${PressureResource}.${'waiting' | 'stalled'}`;

type Totals = ReadonlyMap<CounterName, number>;

/** The state that is kept between two samples of a guest; there are 14 counters. */
export interface MonotonicState {
  readonly domainRunId: string;
  readonly bootTimeSeconds: number | undefined;
  /** The highest total of each counter since the guest booted, in seconds. */
  readonly totals: Totals;
  /** The `sampledAt` of the last sample in which each counter was neither lacking nor dropped. */
  readonly updatedAt: ReadonlyMap<CounterName, number>;
  /** The `sampledAt` since which a counter has been dropped. */
  readonly droppedSince: ReadonlyMap<CounterName, number>;
}

export interface Advance {
  /** The `previous` of the next call. */
  readonly state: MonotonicState;
  /** The sample's values to serve: without regressed counters, and with iowait held where it fell alone. */
  readonly cpu: GuestCpu | undefined;
  /** Without the resources whose waiting time regressed. */
  readonly pressure: GuestPressure | undefined;
  /** Counters that fell without a restart of the guest, or rose by more than the time since the last sample. */
  readonly regressed: readonly CounterName[];
}

/**
 * A guest computes its boot time as clock minus uptime. The result varies by rounding, and by clock adjustments of at
 * most 0.5 ms a second. Two boots that were both probed are further apart.
 */
const BOOT_TIME_TOLERANCE_SECONDS = 5;

/**
 * A counter may fall for good without a reboot: a CPU was unplugged (guest-get-cpustats lists online CPUs only), or
 * the guest was reverted to a snapshot. The lower value is accepted after this time without a value, so that a rate
 * over 5 minutes does not see the fall.
 */
export const ACCEPTED_AFTER_MS = 5.5 * 60_000;

/**
 * Within a second, tasks wait for a second at most, and a CPU is in its modes for a second at most. A sample takes seconds to
 * read, and the prober's clock and the guest's differ. A CPU that was unplugged comes back with its old times, which the sum
 * of guest-get-cpustats then jumps by.
 */
const JUMP_TOLERANCE_SECONDS = 60;

/** A counter below this share of its former total has restarted, rather than lost a part. */
const NEAR_ZERO = 0.1;
/** The share of its total that iowait may lose without a reboot. */
const IOWAIT_MAY_LOSE = 0.1;

/** Linux documents that iowait may decrease (Documentation/filesystems/proc.rst, on /proc/stat). */
const MAY_DECREASE: CounterName = 'cpu.iowait';

/**
 * The sample with its counters made monotonic. The counters restart, and `state` is made of this sample alone, in
 * these cases:
 *
 * | run     | boot time                                      | counters                                    |
 * |---------|------------------------------------------------|---------------------------------------------|
 * | another | any                                            | any                                         |
 * | same    | moved                                          | one fell; iowait by more than ten percent   |
 * | same    | unknown in either sample, with `mayHaveBooted` | one fell; iowait by more than ten percent   |
 * | same    | unknown in either sample                       | more than half fell below ten percent       |
 *
 * A boot time that moves while no counter falls is a step of the guest's clock, or a boot so long ago that all
 * counters have passed their old totals: there is nothing to reset. A CPU that is unplugged takes a smaller part of
 * the counters than a reboot.
 *
 * In all other cases iowait is held at its highest if no other mode fell. Other counters that fell are dropped until
 * they reach their totals again, or have been dropped for {@link ACCEPTED_AFTER_MS}. A guest that invents a new boot
 * time for each probe, or restarts its agent each time, gets resets without errors: only its own rates are wrong.
 */
export function advance(previous: MonotonicState | undefined, next: CounterSample): Advance {
  const counters = countersOf(next);
  if (previous === undefined || previous.domainRunId !== next.domainRunId) return restart(next, counters);
  const fallen = fallenSince(previous.totals, counters);
  const mayHaveBooted = bootTimeMoved(previous, next) ?? next.mayHaveBooted;
  if (fallen.length > 0 && wasRestarted(previous, next, counters)) return restart(next, counters);
  if (mayHaveBooted && iowaitRestarted(previous.totals, counters)) return restart(next, counters);
  const since = (name: CounterName): number => previous.droppedSince.get(name) ?? next.sampledAt;
  const wrong = mayHaveBooted ? fallen : [...fallen, ...jumpedSince(previous, next, counters)];
  const dropped = wrong.filter((name) => next.sampledAt - since(name) < ACCEPTED_AFTER_MS);
  const accepted = wrong.filter((name) => !dropped.includes(name));
  const known = mayHaveBooted ? presentIn(counters, previous.totals) : previous.totals;
  const usable = without(dropped, counters);
  const totals = highest(without(accepted, known), usable);
  // Counters that this sample lacks were not served either.
  const lacking = [...previous.droppedSince.keys()].filter((name) => !counters.has(name) && totals.has(name));
  return {
    state: {
      domainRunId: next.domainRunId,
      bootTimeSeconds: next.bootTimeSeconds ?? previous.bootTimeSeconds,
      totals,
      updatedAt: new Map([
        ...previous.updatedAt,
        ...[...usable.keys()].map((name) => [name, next.sampledAt] as const),
      ]),
      droppedSince: new Map([...dropped, ...lacking].map((name) => [name, since(name)])),
    },
    cpu: next.cpu === undefined ? undefined : servedCpu(next.cpu, totals, dropped),
    pressure: next.pressure === undefined ? undefined : servedPressure(next.pressure, dropped),
    regressed: dropped,
  };
}

function restart(next: CounterSample, totals: Totals): Advance {
  const { domainRunId, bootTimeSeconds, cpu, pressure } = next;
  const updatedAt = new Map([...totals.keys()].map((name) => [name, next.sampledAt]));
  return {
    state: { domainRunId, bootTimeSeconds, totals, updatedAt, droppedSince: new Map() },
    cpu,
    pressure,
    regressed: [],
  };
}

/** Whether the guest booted between the samples. For a sample with a counter that fell. */
function wasRestarted(previous: MonotonicState, next: CounterSample, counters: Totals): boolean {
  return bootTimeMoved(previous, next) ?? (next.mayHaveBooted || mostFell(previous.totals, counters));
}

function mostFell(totals: Totals, counters: Totals): boolean {
  const known = [...totals].filter(([name, total]) => total > 0 && counters.has(name));
  const fell = known.filter(([name, total]) => (counters.get(name) ?? total) < NEAR_ZERO * total);
  return fell.length > known.length / 2;
}

function iowaitRestarted(totals: Totals, counters: Totals): boolean {
  const total = totals.get(MAY_DECREASE) ?? 0;
  return (counters.get(MAY_DECREASE) ?? total) < (1 - IOWAIT_MAY_LOSE) * total;
}

/** Undefined when the boot time is unknown before or now. */
function bootTimeMoved(previous: MonotonicState, next: CounterSample): boolean | undefined {
  if (previous.bootTimeSeconds === undefined || next.bootTimeSeconds === undefined) return undefined;
  return Math.abs(next.bootTimeSeconds - previous.bootTimeSeconds) > BOOT_TIME_TOLERANCE_SECONDS;
}

function countersOf({ cpu, pressure }: CounterSample): Totals {
  const counters = new Map<CounterName, number>();
  const add = (name: CounterName, value: number | undefined): void => {
    if (value !== undefined) counters.set(name, value);
  };
  for (const mode of CPU_MODES) add(`cpu.${mode}`, cpu?.[mode]);
  for (const resource of PRESSURE_RESOURCES) {
    add(`pressure.${resource}.waiting`, pressure?.[resource]?.waitingSeconds);
    add(`pressure.${resource}.stalled`, pressure?.[resource]?.stalledSeconds);
  }
  return counters;
}

/** iowait is included only if another mode fell too: both then fell for the same reason. */
function fallenSince(totals: Totals, counters: Totals): readonly CounterName[] {
  const below = [...counters]
    .filter(([name, value]) => value < (totals.get(name) ?? value))
    .map(([name]) => name);
  const isOtherMode = (name: CounterName): boolean => name.startsWith('cpu.') && name !== MAY_DECREASE;
  return below.some(isOtherMode) ? below : below.filter((name) => name !== MAY_DECREASE);
}

function jumpedSince(previous: MonotonicState, next: CounterSample, counters: Totals): CounterName[] {
  return [...counters].flatMap(([name, value]) => {
    const [total, updatedAt] = [previous.totals.get(name), previous.updatedAt.get(name)];
    const cpus = name.startsWith('cpu.') ? next.cpus : 1;
    if (total === undefined || updatedAt === undefined || cpus === undefined) return [];
    const seconds = (next.sampledAt - updatedAt) / 1000 + JUMP_TOLERANCE_SECONDS;
    return value - total > cpus * seconds ? [name] : [];
  });
}

function without(names: readonly CounterName[], totals: Totals): Totals {
  return new Map([...totals].filter(([name]) => !names.includes(name)));
}

/** For a guest that may have booted: totals of counters that the sample lacks may be from before the boot. */
function presentIn(counters: Totals, totals: Totals): Totals {
  return new Map([...totals].filter(([name]) => counters.has(name)));
}

/** A counter that the sample lacks keeps its total, so that it cannot come back lower. */
function highest(totals: Totals, counters: Totals): Totals {
  const merged = new Map(totals);
  for (const [name, value] of counters) merged.set(name, Math.max(value, totals.get(name) ?? value));
  return merged;
}

function servedCpu(cpu: GuestCpu, totals: Totals, fallen: readonly CounterName[]): GuestCpu {
  const served = (mode: CpuMode): number | undefined => {
    if (cpu[mode] === undefined || fallen.includes(`cpu.${mode}`)) return undefined;
    // Equal to the sample's value for all modes but iowait.
    return totals.get(`cpu.${mode}`);
  };
  return Object.fromEntries(CPU_MODES.map((mode) => [mode, served(mode)])) as Record<
    CpuMode,
    number | undefined
  >;
}

function servedPressure(pressure: GuestPressure, fallen: readonly CounterName[]): GuestPressure {
  const served: Partial<Record<PressureResource, PressureTotals>> = {};
  for (const resource of PRESSURE_RESOURCES) {
    const totals = pressure[resource];
    if (totals === undefined || fallen.includes(`pressure.${resource}.waiting`)) continue;
    served[resource] = fallen.includes(`pressure.${resource}.stalled`)
      ? { ...totals, stalledSeconds: undefined }
      : totals;
  }
  return served;
}
