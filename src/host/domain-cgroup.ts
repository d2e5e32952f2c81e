import { join } from 'node:path';

/** One line of `/proc/PID/cgroup`. */
export interface CgroupHierarchy {
  /** Number of the hierarchy; 0 is version 2. */
  readonly id: string;
  /** Controllers of a hierarchy of version 1, separated by commas; empty for version 2. */
  readonly controllers: string;
  readonly path: string;
}

/** The directory of a domain's cgroup that limits its CPU time. */
export interface CpuCgroup {
  readonly version: 1 | 2;
  readonly directory: string;
  /** The groups above the domain's, nearest first, without the root. */
  readonly above: readonly string[];
}

export interface DomainCgroups {
  /** Directory of the domain's cgroup of version 2, which has its pressure files. */
  readonly pressure: string | undefined;
  readonly cpu: CpuCgroup | undefined;
}

/** More groups above a domain than this are not looked at. */
const MAX_ABOVE = 8;

/** Parses the text of `/proc/PID/cgroup`; empty when a path leads out of the exporter's cgroup namespace. */
export function parseHierarchies(cgroupText: string): readonly CgroupHierarchy[] {
  const hierarchies = cgroupText.split('\n').flatMap((line) => {
    const [, id, controllers, path] = /^(\d+):([^:]*):(\/.*)$/.exec(line) ?? [];
    return id === undefined || controllers === undefined || path === undefined
      ? []
      : [{ id, controllers, path }];
  });
  return hierarchies.some(({ path }) => path.includes('/../')) ? [] : hierarchies;
}

/**
 * The domain's own cgroup in the path of one of its processes. With systemd, libvirt names the cgroup
 * `machine-qemu\x2d1\x2dNAME.scope`; without, `qemu-1-NAME.libvirt-qemu`. libvirt may move the process into a group below it
 * (libvirt: src/util/vircgroup.c).
 */
export function machineCgroup(path: string): string | undefined {
  return /^(?:\/.*)?\/(?:machine-qemu\\x2d[^/]*\.scope|[^/]+\.libvirt-[a-z]+)(?=\/|$)/.exec(path)?.[0];
}

/** The domain's cgroup of version 2: its path, and where below the cgroups' root version 2 is mounted. */
export function unifiedCgroup(
  hierarchies: readonly CgroupHierarchy[],
): { readonly mount: string; readonly machine: string } | undefined {
  const unified = hierarchies.find(({ id, controllers }) => id === '0' && controllers === '');
  const machine = unified && machineCgroup(unified.path);
  // On a host that has both versions, systemd mounts version 2 at `unified`.
  return machine === undefined ? undefined : { mount: hierarchies.length > 1 ? 'unified' : '', machine };
}

/** Finds the domain's cgroups in the text of its process's `/proc/PID/cgroup`. */
export function findDomainCgroups(cgroupText: string, cgroupRoot: string): DomainCgroups {
  const hierarchies = parseHierarchies(cgroupText);
  const unified = unifiedCgroup(hierarchies);
  const pressure = unified && join(cgroupRoot, unified.mount, unified.machine);
  // A controller belongs to one version only: where version 1 has `cpu`, the groups of version 2 have no quota.
  const old = hierarchies.find(({ controllers }) => controllers.split(',').includes('cpu'));
  if (old === undefined) {
    return { pressure, cpu: unified && cpuCgroup(2, join(cgroupRoot, unified.mount), unified.machine) };
  }
  const machine = machineCgroup(old.path);
  return {
    pressure,
    cpu: machine === undefined ? undefined : cpuCgroup(1, join(cgroupRoot, old.controllers), machine),
  };
}

function cpuCgroup(version: 1 | 2, mount: string, machine: string): CpuCgroup {
  const names = machine.split('/').slice(1, -1).slice(0, MAX_ABOVE);
  const above = names.map((_, index) => join(mount, ...names.slice(0, index + 1))).reverse();
  return { version, directory: join(mount, machine), above };
}
