import type { HostResources, ProcessSample } from '../../../src/snapshot/snapshot.ts';

/** A host whose kernel counts no pressure of CPUs. */
export const HOST: HostResources = {
  cpus: 8,
  memoryBytes: 33_554_432_000,
  pressure: new Map([
    ['io', { some: 159_169_944, full: 109_379_566 }],
    ['memory', { some: 1, full: 0 }],
  ]),
};

/** A domain with a CPU quota, on a kernel without the pressure "full" of CPUs. */
export const THROTTLED_PROCESS: ProcessSample = {
  state: 'S',
  cpu: undefined,
  residentBytes: 250_000_000,
  swapBytes: 0,
  quota: { cores: 0.4, periods: 1_153, throttledPeriods: 817, throttledSeconds: 81.75 },
  pressure: new Map([
    ['io', { some: 482, full: 481 }],
    ['memory', { some: 0, full: 0 }],
    ['cpu', { some: 1_480_171, full: undefined }],
  ]),
};

/** A domain that is mostly swapped out, and whose quota was taken away. */
export const SWAPPED_OUT_PROCESS: ProcessSample = {
  state: 'D',
  cpu: undefined,
  residentBytes: 4_096,
  swapBytes: 1_073_741_824,
  quota: { cores: undefined, periods: 10, throttledPeriods: 9, throttledSeconds: undefined },
  pressure: new Map(),
};
