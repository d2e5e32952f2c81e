import { domainRunId, keepOnlyRuns } from '../daemon/domain-run-id.ts';
import type { DomainConfig } from '../inventory/domain-config.ts';
import type { DomainRef } from '../libvirt/types.ts';
import type { DomainStats } from '../stats/domain-stats.ts';

/** What the statistics of a running domain show of its configuration. */
interface Shown {
  /** vCPUs that are plugged in; undefined when unknown. */
  readonly vcpus: number | undefined;
  readonly images: DomainStats['images'];
}

/**
 * Compares what statistics show with the configuration that the inventory has. libvirt has no event for a vCPU that is plugged
 * in, nor for a snapshot or a block job that gives a disk another image.
 */
export class ShownConfiguration {
  readonly #shown = new Map<string, string>();

  /** Whether the domain's configuration has to be read again; true once for each difference. */
  isOutdated(domain: Pick<DomainRef, 'uuid' | 'id'>, config: DomainConfig, shown: Shown): boolean {
    const run = domainRunId(domain);
    const fingerprint = fingerprintOf(shown);
    const before = this.#shown.get(run);
    if (fingerprint === before) return false;
    this.#shown.set(run, fingerprint);
    return before !== undefined || differs(config, shown);
  }

  /** Forgets all runs but these. */
  keepOnly(runs: ReadonlySet<string>): void {
    keepOnlyRuns(this.#shown, runs);
  }
}

function fingerprintOf({ vcpus, images }: Shown): string {
  const disks = [...images].map(([device, ofDisk]) => [
    device,
    ...ofDisk.map(({ path, index }) => [path, index]),
  ]);
  return JSON.stringify([vcpus, disks]);
}

/** Types of a disk whose source is the path that statistics show. */
const PATH_TYPES: ReadonlySet<string> = new Set(['file', 'block']);

function differs({ cpu, disks }: DomainConfig, { vcpus, images }: Shown): boolean {
  if (vcpus !== undefined && cpu.current !== undefined && vcpus !== cpu.current) return true;
  return disks.some(({ target, type, source, backingImages }) => {
    const [own, ...others] = images.get(target) ?? [];
    if (own?.path === undefined || !PATH_TYPES.has(type)) return false;
    return own.path !== source || (backingImages !== undefined && others.length !== backingImages);
  });
}
