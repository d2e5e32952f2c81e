import { PRESSURE_RESOURCES, type PressureResource, type PressureTotals, parsePressure } from './pressure.ts';
import { readSmallFile } from './process-stat.ts';

/** CPUs, memory and pressure of the whole host; undefined or missing where they cannot be read. */
export interface HostResources {
  /** Number of CPUs that are online. */
  readonly cpus: number | undefined;
  /** Memory that the kernel can use, in bytes. */
  readonly memoryBytes: number | undefined;
  /** A kernel without PSI has none. */
  readonly pressure: ReadonlyMap<PressureResource, PressureTotals>;
}

export interface HostResourcePaths {
  readonly proc: string;
  /** `/sys/devices/system/cpu/online` */
  readonly onlineCpus: string;
}

/** The field that is read is on the first line of `/proc/meminfo`, and the other files are shorter than this. */
const MAX_FILE_BYTES = 1_024;

/** Makes the function that reads the host's resources, from five small files that wait for nothing. */
export function createHostResources({ proc, onlineCpus }: HostResourcePaths): () => HostResources {
  const buffer = Buffer.allocUnsafeSlow(MAX_FILE_BYTES);
  return () => {
    const pressure = new Map<PressureResource, PressureTotals>();
    for (const resource of PRESSURE_RESOURCES) {
      const text = readSmallFile(`${proc}/pressure/${resource}`, buffer);
      if (text !== undefined) pressure.set(resource, parsePressure(text));
    }
    return {
      cpus: countCpus(readSmallFile(onlineCpus, buffer)),
      memoryBytes: memoryTotal(readSmallFile(`${proc}/meminfo`, buffer)),
      pressure,
    };
  };
}

/** Counts the CPUs of a list such as `0-3,8,10-11`. */
export function countCpus(list: string | undefined): number | undefined {
  let cpus = 0;
  for (const range of list?.trim().split(',') ?? []) {
    const [, first, last = first] = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(range) ?? [];
    if (first === undefined || Number(last) < Number(first)) return undefined;
    cpus += Number(last) - Number(first) + 1;
  }
  return cpus === 0 ? undefined : cpus;
}

function memoryTotal(meminfo: string | undefined): number | undefined {
  const kibibytes = Number(/^MemTotal:\s*(\d{1,15}) kB$/m.exec(meminfo ?? '')?.[1]);
  return kibibytes > 0 ? kibibytes * 1024 : undefined;
}
