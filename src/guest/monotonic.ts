/**
 * Keeps what a guest counts from going backwards between two readings, unless the guest was started anew. A counter
 * that falls makes Prometheus add its whole value again, which for years of CPU time drowns every rate.
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

/** Counters of one guest, as one probe read them. */
export interface CounterSample {
  /** performance.now() milliseconds. */
  readonly sampledAt: number;
  /** Names the run of the domain; another one than before means that every counter starts anew. */
  readonly domainRunId: string;
  /** Unix time in seconds; undefined when it cannot be read. */
  readonly bootTimeSeconds: number | undefined;
  /** Since the reading before, libvirt told of a reboot, or of another agent: the guest may have booted. */
  readonly mayHaveBooted: boolean;
  readonly cpu: GuestCpu | undefined;
  readonly pressure: GuestPressure | undefined;
}

export type CounterName = `cpu.${CpuMode}` | `pressure.${PressureResource}.${'waiting' | 'stalled'}`;

type Totals = ReadonlyMap<CounterName, number>;

/** What is kept of a guest between its probes; bounded, as there are only 14 counters. */
export interface MonotonicState {
  readonly domainRunId: string;
  readonly bootTimeSeconds: number | undefined;
  /** The highest total of each counter since the guest's start, in seconds. */
  readonly totals: Totals;
  /** Since which reading (its performance.now() milliseconds) a counter has been dropped. */
  readonly droppedSince: ReadonlyMap<CounterName, number>;
}

export interface Advance {
  /** To be passed in with the next reading. */
  readonly state: MonotonicState;
  /** Fit to be served: the reading's, without the regressed counters, and with iowait held where it fell alone. */
  readonly cpu: GuestCpu | undefined;
  /** A resource whose waiting time regressed is left out as a whole. */
  readonly pressure: GuestPressure | undefined;
  /** Counters that fell without a restart of the guest; each is an error to count. */
  readonly regressed: readonly CounterName[];
}

/**
 * A guest's boot time is its clock less its uptime: it wavers with rounding, and follows the clock's adjustment
 * (at most 0.5 ms a second). No two boots that were both probed are this close.
 */
const BOOT_TIME_TOLERANCE_SECONDS = 5;

/**
 * A counter may fall for good without a reboot: a CPU was unplugged (guest-get-cpustats tells those online only), or
 * the guest went back to a snapshot. After this time without a value the lower one is believed, so a rate over
 * 5 minutes never sees the fall.
 */
export const BELIEVED_AFTER_MS = 5.5 * 60_000;

/** Less than this share of its former total is a counter's beginning, not a part that was taken away. */
const NEAR_ZERO = 0.1;
/** What iowait may lose without a reboot, as a share of its total. */
const IOWAIT_WAVERS = 0.1;

/** Linux documents that iowait may decrease (Documentation/filesystems/proc.rst, on /proc/stat). */
const MAY_DECREASE: CounterName = 'cpu.iowait';

/**
 * The reading with its counters made monotonic. They start anew, with `state` made of this reading alone, when
 *
 * - the run is another one;
 * - the boot time moved and a counter fell (one that moves alone is a step of the guest's clock, or a boot so
 *   long ago that all has grown past its old total; either way there is nothing to accept);
 * - the boot time moved and iowait fell by more than the kernel's own wavering, whatever the others have outgrown;
 * - the boot time is unknown, before or now, libvirt saw the guest reboot or its agent come anew, and a counter fell,
 *   be it iowait by more than its wavering;
 * - the boot time is unknown, before or now, and more than half of the counters above zero fell to near zero; a CPU
 *   that is unplugged takes a part of them.
 *
 * Otherwise iowait is held at its highest if no other mode fell. What else fell is dropped until it has reached its
 * total again, or has been dropped for {@link BELIEVED_AFTER_MS}. A guest that makes up another boot time for each
 * probe, or restarts its agent, gets resets and no errors: its own rates are wrong, and nothing grows.
 */
export function advance(previous: MonotonicState | undefined, next: CounterSample): Advance {
  const counters = countersOf(next);
  if (previous === undefined || previous.domainRunId !== next.domainRunId) return restart(next, counters);
  const fallen = fallenSince(previous.totals, counters);
  const mayHaveBooted = bootTimeMoved(previous, next) ?? next.mayHaveBooted;
  if (fallen.length > 0 && wasRestarted(previous, next, counters)) return restart(next, counters);
  if (mayHaveBooted && iowaitStartedAnew(previous.totals, counters)) return restart(next, counters);
  const since = (name: CounterName): number => previous.droppedSince.get(name) ?? next.sampledAt;
  const dropped = fallen.filter((name) => next.sampledAt - since(name) < BELIEVED_AFTER_MS);
  const believed = fallen.filter((name) => !dropped.includes(name));
  const known = mayHaveBooted ? presentIn(counters, previous.totals) : previous.totals;
  const totals = highest(without(believed, known), counters);
  // What this reading lacks was not served either.
  const lacking = [...previous.droppedSince.keys()].filter((name) => !counters.has(name) && totals.has(name));
  return {
    state: {
      domainRunId: next.domainRunId,
      bootTimeSeconds: next.bootTimeSeconds ?? previous.bootTimeSeconds,
      totals,
      droppedSince: new Map([...dropped, ...lacking].map((name) => [name, since(name)])),
    },
    cpu: next.cpu === undefined ? undefined : servedCpu(next.cpu, totals, dropped),
    pressure: next.pressure === undefined ? undefined : servedPressure(next.pressure, dropped),
    regressed: dropped,
  };
}

function restart(next: CounterSample, totals: Totals): Advance {
  const { domainRunId, bootTimeSeconds, cpu, pressure } = next;
  return {
    state: { domainRunId, bootTimeSeconds, totals, droppedSince: new Map() },
    cpu,
    pressure,
    regressed: [],
  };
}

/** Whether the guest booted between the readings. For a reading with a counter that fell. */
function wasRestarted(previous: MonotonicState, next: CounterSample, counters: Totals): boolean {
  return bootTimeMoved(previous, next) ?? (next.mayHaveBooted || mostFell(previous.totals, counters));
}

function mostFell(totals: Totals, counters: Totals): boolean {
  const known = [...totals].filter(([name, total]) => total > 0 && counters.has(name));
  const fell = known.filter(([name, total]) => (counters.get(name) ?? total) < NEAR_ZERO * total);
  return fell.length > known.length / 2;
}

function iowaitStartedAnew(totals: Totals, counters: Totals): boolean {
  const total = totals.get(MAY_DECREASE) ?? 0;
  return (counters.get(MAY_DECREASE) ?? total) < (1 - IOWAIT_WAVERS) * total;
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

/** iowait is among them only beside another mode: it then fell for the same reason, and would not soon be passed. */
function fallenSince(totals: Totals, counters: Totals): readonly CounterName[] {
  const below = [...counters]
    .filter(([name, value]) => value < (totals.get(name) ?? value))
    .map(([name]) => name);
  const isOtherMode = (name: CounterName): boolean => name.startsWith('cpu.') && name !== MAY_DECREASE;
  return below.some(isOtherMode) ? below : below.filter((name) => name !== MAY_DECREASE);
}

function without(names: readonly CounterName[], totals: Totals): Totals {
  return new Map([...totals].filter(([name]) => !names.includes(name)));
}

/** Of a guest that may have booted since, the totals that a reading without the counter cannot confirm are void. */
function presentIn(counters: Totals, totals: Totals): Totals {
  return new Map([...totals].filter(([name]) => counters.has(name)));
}

/** A counter that this reading lacks keeps its total, so that it cannot come back lower. */
function highest(totals: Totals, counters: Totals): Totals {
  const merged = new Map(totals);
  for (const [name, value] of counters) merged.set(name, Math.max(value, totals.get(name) ?? value));
  return merged;
}

function servedCpu(cpu: GuestCpu, totals: Totals, fallen: readonly CounterName[]): GuestCpu {
  const served = (mode: CpuMode): number | undefined => {
    if (cpu[mode] === undefined || fallen.includes(`cpu.${mode}`)) return undefined;
    // Equal to the reading for all but iowait.
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
