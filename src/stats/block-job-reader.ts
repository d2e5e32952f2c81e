import { domainRunId, keepOnlyRuns } from '../daemon/domain-run-id.ts';
import type { StatisticsClient, StatsTerms } from '../daemon/statistics-client.ts';
import { LibvirtTransportError } from '../libvirt/errors.ts';
import type { DomainRef } from '../libvirt/types.ts';
import type { DiskImage } from './domain-stats.ts';

/** virDomainBlockJobType, by its number. */
export const BLOCK_JOB_TYPES = ['unknown', 'pull', 'copy', 'commit', 'active_commit', 'backup'] as const;
export type BlockJobType = (typeof BLOCK_JOB_TYPES)[number];

/** Jobs by the disk's target name. */
export type BlockJobs = ReadonlyMap<string, BlockJobType>;

/**
 * Disks with backing images that are looked at in one round, with one call each, although nothing has changed. On a host with
 * more of these disks, each is looked at in every second, third, … round.
 */
const LOOKS_PER_ROUND = 16;
/** Disks of one domain that are looked at. */
const MAX_DISKS = 256;

interface KnownDisk {
  readonly images: string;
  readonly job: BlockJobType | undefined;
  /** Number of the round. */
  readonly lookedAt: number;
}

/**
 * Finds the block jobs of running domains. libvirt announces the end of such a job, but not its start. A copy and a backup add
 * an image to the disk, which the statistics show. A pull and a commit need backing images. So a call is sent only for a disk
 * whose images have changed, whose job runs, or, in turn, that has backing images.
 */
export class BlockJobReader {
  readonly #client: Pick<StatisticsClient, 'blockJob'>;
  readonly #runs = new Map<string, ReadonlyMap<string, KnownDisk>>();
  #round = 0;
  #withBacking = 0;
  #rounds = 1;

  constructor(client: Pick<StatisticsClient, 'blockJob'>) {
    this.#client = client;
  }

  begin(): void {
    this.#round += 1;
    this.#rounds = Math.max(1, Math.ceil(this.#withBacking / LOOKS_PER_ROUND));
    this.#withBacking = 0;
  }

  /** The jobs of a domain whose statistics were just read. Never throws. */
  async read(
    domain: DomainRef,
    images: ReadonlyMap<string, readonly DiskImage[]>,
    terms: StatsTerms,
  ): Promise<BlockJobs> {
    const run = domainRunId(domain);
    const before = this.#runs.get(run);
    const disks = new Map<string, KnownDisk>();
    await Promise.all(
      [...images].slice(0, MAX_DISKS).map(async ([device, ofDisk]) => {
        disks.set(device, await this.#look(domain, device, ofDisk, before?.get(device), terms));
      }),
    );
    if (disks.size > 0) this.#runs.set(run, disks);
    else this.#runs.delete(run);
    return new Map([...disks].flatMap(([device, { job }]) => (job === undefined ? [] : [[device, job]])));
  }

  /** Forgets all runs but these. */
  keepOnly(runs: ReadonlySet<string>): void {
    keepOnlyRuns(this.#runs, runs);
  }

  async #look(
    domain: DomainRef,
    device: string,
    ofDisk: readonly DiskImage[],
    known: KnownDisk | undefined,
    terms: StatsTerms,
  ): Promise<KnownDisk> {
    const images = ofDisk.map(({ path, index }) => `${index ?? ''} ${path ?? ''}`).join('\n');
    const hasMore = ofDisk.length > 1;
    if (hasMore) this.#withBacking += 1;
    const isTurn = hasMore && (known === undefined || this.#round - known.lookedAt >= this.#rounds);
    const isChanged = known !== undefined && known.images !== images;
    if (!isTurn && !isChanged && known?.job === undefined)
      return known ?? { images, job: undefined, lookedAt: this.#round };
    const job = await this.#job(domain, device, terms);
    // Without an answer, what was known stays, and the next round looks again.
    if (job === 'unanswered')
      return { images: known?.images ?? '', job: known?.job, lookedAt: known?.lookedAt ?? 0 };
    return { images, job, lookedAt: this.#round };
  }

  async #job(
    domain: DomainRef,
    device: string,
    terms: StatsTerms,
  ): Promise<BlockJobType | 'unanswered' | undefined> {
    try {
      const result = await this.#client.blockJob(domain, device, terms);
      if (result.status !== 'answered') return 'unanswered';
      return result.value && (BLOCK_JOB_TYPES[result.value.type] ?? 'unknown');
    } catch (error) {
      // libvirt refuses the call for a disk or a domain that has gone, and for drivers without block jobs.
      return error instanceof LibvirtTransportError ? 'unanswered' : undefined;
    }
  }
}
