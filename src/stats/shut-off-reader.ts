import { settledWithin } from '../concurrency.ts';
import { type StatisticsClient, StatsGroup } from '../daemon/statistics-client.ts';
import type { DomainRef } from '../libvirt/types.ts';
import { type DomainStats, parseDomainStats } from './domain-stats.ts';

/** Sizes of images are read again after this time. */
const FRESH_MS = 5 * 60_000;
/** A scrape waits this long at most; what is read later is served by the next one. */
const TIMEOUT_MS = 300;
/** Domains that are read for one scrape. */
const MAX_READS = 32;

export interface ShutOffDomain {
  readonly domain: DomainRef;
  /** Another object after a change of the configuration. */
  readonly config: object;
}

interface Known {
  readonly config: object;
  readonly stats: DomainStats | undefined;
  /** performance.now() milliseconds; infinite when only another configuration is worth a call. */
  readonly readAt: number;
}

/**
 * Reads the sizes of the disks and the maximum memory of domains that are shut off: after a change of the configuration, and
 * every five minutes. libvirt opens the images, so calls are sent one after the other: where storage hangs, one waits.
 */
export class ShutOffReader {
  readonly #client: Pick<StatisticsClient, 'shutOffStats'>;
  readonly #known = new Map<string, Known>();
  #hanging: DomainRef | undefined;
  #underWay: Promise<void> | undefined;

  constructor(client: Pick<StatisticsClient, 'shutOffStats'>) {
    this.#client = client;
  }

  /** Reads those of the domains that need it, until `deadline` (performance.now() milliseconds) at most. Never throws. */
  async read(domains: readonly ShutOffDomain[], groups: number, deadline: number): Promise<void> {
    this.#keepOnly(domains);
    const wanted = groups & (StatsGroup.block | StatsGroup.balloon);
    const due = wanted === 0 ? [] : domains.filter((each) => this.#isDue(each)).slice(0, MAX_READS);
    if (due.length > 0)
      this.#underWay ??= this.#readAll(due, wanted, deadline).finally(() => {
        this.#underWay = undefined;
      });
    if (this.#underWay === undefined) return;
    await settledWithin(this.#underWay, Math.max(0, Math.min(TIMEOUT_MS, deadline - performance.now())));
  }

  /** What was read of a domain, also if that is from an earlier scrape. */
  of(uuid: string): DomainStats | undefined {
    return this.#known.get(uuid)?.stats;
  }

  #isDue({ domain, config }: ShutOffDomain): boolean {
    const known = this.#known.get(domain.uuid);
    return known?.config !== config || performance.now() - known.readAt > FRESH_MS;
  }

  async #readAll(domains: readonly ShutOffDomain[], groups: number, deadline: number): Promise<void> {
    // A call that hangs is joined; no other is sent until libvirt has answered it.
    if (this.#hanging !== undefined && !(await this.#call(this.#hanging, groups, deadline)).isAnswered)
      return;
    this.#hanging = undefined;
    for (const { domain, config } of domains) {
      const { isAnswered, stats } = await this.#call(domain, groups, deadline);
      if (!isAnswered) return;
      // libvirt logs an error for an image that it cannot open, so such a domain is not read again and again.
      const readAt = stats === undefined || lacksSizes(stats) ? Number.POSITIVE_INFINITY : performance.now();
      this.#known.set(domain.uuid, { config, stats, readAt });
    }
  }

  async #call(
    domain: DomainRef,
    groups: number,
    deadline: number,
  ): Promise<{ isAnswered: boolean; stats?: DomainStats }> {
    try {
      const result = await this.#client.shutOffStats(domain, groups, deadline);
      if (result.status === 'unresponsive') this.#hanging = domain;
      if (result.status !== 'answered') return { isAnswered: false };
      const [record] = result.value;
      // A domain that was started since is no longer shut off.
      if (record === undefined || record.domain.id >= 0) return { isAnswered: true };
      const { balloon, ...stats } = parseDomainStats(record.params);
      const maximum = balloon.get('maximum');
      return {
        isAnswered: true,
        stats: { ...stats, balloon: new Map(maximum === undefined ? [] : [['maximum', maximum]]) },
      };
    } catch {
      return { isAnswered: true };
    }
  }

  #keepOnly(domains: readonly ShutOffDomain[]): void {
    if (this.#known.size === 0) return;
    const uuids = new Set(domains.map(({ domain }) => domain.uuid));
    for (const uuid of this.#known.keys()) if (!uuids.has(uuid)) this.#known.delete(uuid);
  }
}

/** Whether a disk has an image, but libvirt could not read its size. */
function lacksSizes({ blocks, images }: DomainStats): boolean {
  return [...images].some(
    ([device, [own]]) => own?.path !== undefined && blocks.get(device)?.has('capacity') !== true,
  );
}
