import type { Logger } from 'pino';
import { settledWithin } from '../concurrency.ts';
import type { CpuTimes, DomainJob } from '../daemon/stats-client.ts';
import { StatsClient, StatsGroup } from '../daemon/stats-client.ts';
import type { DomainRef } from '../libvirt/types.ts';
import type { LibvirtTarget } from '../libvirt/uri.ts';
import { BulkReader } from './bulk-reader.ts';
import { CpuReader } from './cpu-reader.ts';
import { DaemonWorkers } from './daemon-workers.ts';
import { domainRunId } from './domain-run-id.ts';
import type { DomainStats } from './domain-stats.ts';
import { JobReader } from './job-reader.ts';
import { PendingCalls } from './pending-calls.ts';
import { PerDomainCalls } from './per-domain-calls.ts';
import { type StoragePool, StoragePoolReader } from './storage-pools.ts';

/** What can be asked for; each costs libvirt something, so only what is shown is asked. */
export const STATS = ['balloon', 'vcpu', 'interface', 'block', 'cpu', 'job', 'pools'] as const;
export type StatsKind = (typeof STATS)[number];
const GROUP_KINDS = ['balloon', 'vcpu', 'interface', 'block'] as const;

export type { DomainJob };

/**
 * The small calls go first. Beside the bulk calls, for which libvirtd and QEMU keep every processor busy, each of them
 * waits for its turn: 100 domains took 360 ms side by side, 282 ms for the bulk alone, 16 ms for the small ones alone.
 */
const HEAD_START_MS = 250;

/** What was measured of one running domain. */
export interface MeasuredDomain {
  readonly stats: DomainStats | undefined;
  /** False when QEMU could not be asked in time; undefined when nothing was asked that needs it. */
  readonly complete: boolean | undefined;
  readonly cpu: CpuTimes | undefined;
  /** The job under way; `none` when there is none, undefined when that is not known. */
  readonly job: DomainJob | 'none' | undefined;
}

export interface Measured {
  readonly of: (domain: Pick<DomainRef, 'uuid' | 'id'>) => MeasuredDomain | undefined;
  readonly pools: readonly StoragePool[] | undefined;
  /** Kinds of which nothing at all could be read. */
  readonly failed: ReadonlySet<StatsKind>;
}

export interface MeasureOptions {
  /** performance.now() milliseconds. */
  readonly deadline: number;
  /** Whether a domain's vCPUs are known already; libvirt is not asked for these then. None when left out. */
  readonly hasVcpus?: (domain: Pick<DomainRef, 'uuid'>) => boolean;
}

export interface StatsReaderOptions {
  readonly target: LibvirtTarget;
  /** Deadline of connecting, in milliseconds. */
  readonly timeoutMs: number;
  readonly onCallSent: (procedure: string) => void;
  readonly log: Logger;
}

/** Measures running domains and storage pools, in parallel and within a deadline, whatever hangs. */
export class StatsReader {
  readonly #lanes: readonly PendingCalls[];
  readonly #bulk: BulkReader;
  readonly #cpu: CpuReader;
  readonly #jobs: JobReader;
  readonly #pools: StoragePoolReader;
  readonly #log: Logger;
  readonly #failing = new Set<StatsKind>();

  constructor({ target, timeoutMs, onCallSent, log }: StatsReaderOptions) {
    const connect = (): Promise<StatsClient> =>
      StatsClient.connect({
        target,
        timeoutMs,
        onCallSent,
        onClose: () => undefined,
      });
    // Each kind of call has its own places: what hangs in one keeps the others from nothing. The daemon is the same.
    const workers = new DaemonWorkers();
    const lane = (): PendingCalls => new PendingCalls({ connect, workers });
    const [bulk, small, pools] = [lane(), lane(), lane()];
    this.#log = log;
    this.#lanes = [bulk, small, pools];
    this.#bulk = new BulkReader({ calls: bulk, log });
    // Of their own each: a job that hangs says nothing of the processor time.
    this.#cpu = new CpuReader(new PerDomainCalls({ calls: small, needsQemu: false }));
    this.#jobs = new JobReader(new PerDomainCalls({ calls: small, needsQemu: true }));
    this.#pools = new StoragePoolReader(pools, log);
  }

  start(): void {
    this.#bulk.start();
  }

  async stop(): Promise<void> {
    this.#bulk.stop();
    await Promise.all(this.#lanes.map((lane) => lane.stop()));
  }

  /** Never throws: what cannot be read in time is missing. */
  async measure(
    running: readonly DomainRef[],
    kinds: ReadonlySet<StatsKind>,
    { deadline, hasVcpus = () => false }: MeasureOptions,
  ): Promise<Measured> {
    const groupKinds = GROUP_KINDS.filter((kind) => kinds.has(kind));
    const groups = groupKinds.reduce((sum, kind) => sum | StatsGroup[kind], 0);
    const groupsOf = (domain: Pick<DomainRef, 'uuid'>): number =>
      hasVcpus(domain) ? groups & ~StatsGroup.vcpu : groups;
    const reading = kinds.has('pools') ? this.#pools.read(deadline) : undefined;
    const small = Promise.all([
      kinds.has('cpu') ? this.#cpu.read(running, deadline) : undefined,
      kinds.has('job') ? this.#jobs.read(running, deadline) : undefined,
    ]);
    await settledWithin(small, HEAD_START_MS);
    const bulk = groups === 0 ? undefined : await this.#bulk.read(running, groupsOf, deadline);
    const [cpu, jobs] = await small;
    const pools = await reading;
    const read: StatsKind[] = [];
    if (bulk !== undefined && bulk.results.size > 0) read.push(...groupKinds);
    if (cpu !== undefined && cpu.times.size > 0) read.push('cpu');
    if (jobs !== undefined && jobs.jobs.size > 0) read.push('job');
    const failed = new Map<StatsKind, unknown>();
    if (bulk?.error !== undefined && bulk.results.size === 0) {
      for (const kind of groupKinds) failed.set(kind, bulk.error);
    }
    if (cpu?.failure !== undefined) failed.set('cpu', cpu.failure);
    if (jobs?.failure !== undefined) failed.set('job', jobs.failure);
    // Their reader has logged why.
    const unmeasured = new Set([...failed.keys(), ...(pools?.failed ? ['pools' as const] : [])]);
    this.#note(read, failed);
    return {
      of: (domain) => {
        if (domain.id < 0) return undefined;
        const key = domainRunId(domain);
        const found = bulk?.results.get(key);
        return {
          stats: found?.stats,
          complete: groupsOf(domain) === 0 ? undefined : found?.complete === true,
          cpu: cpu?.times.get(key),
          job: jobs?.jobs.get(key),
        };
      },
      pools: pools?.pools,
      failed: unmeasured,
    };
  }

  /** Logs once what cannot be measured at all, until that changes. A reading without time for a kind changes nothing. */
  #note(read: readonly StatsKind[], failed: ReadonlyMap<StatsKind, unknown>): void {
    const worse = [...failed.keys()].filter((kind) => !this.#failing.has(kind));
    const better = read.filter((kind) => this.#failing.delete(kind));
    const [first] = worse;
    if (first !== undefined) {
      for (const kind of worse) this.#failing.add(kind);
      const err = failed.get(first);
      this.#log.warn({ kinds: worse, err }, 'libvirt lets nothing of these kinds be measured');
    }
    if (better.length > 0) this.#log.info({ kinds: better }, 'these kinds can be measured again');
  }
}
