import type { Logger } from 'pino';
import { type Clock, settledBy } from '../daemon/clock.ts';
import { domainRunId, domainRunIds } from '../daemon/domain-run-id.ts';
import { type StatisticsClient, StatsGroup, type StatsTerms } from '../daemon/statistics-client.ts';
import type { UnresponsiveDomains } from '../daemon/unresponsive-domains.ts';
import type { CpuTimes } from '../host/cpu-times.ts';
import type { DomainRef } from '../libvirt/types.ts';
import { BalloonCounters } from './balloon-counters.ts';
import { BlockJobReader, type BlockJobs } from './block-job-reader.ts';
import { scatter } from './call-order.ts';
import { CpuReader, type CpuResult } from './cpu-reader.ts';
import { readDiskErrors } from './disk-error-reader.ts';
import type { DomainStats } from './domain-stats.ts';
import { DomainStatsReader } from './domain-stats-reader.ts';
import { InterfaceReader, type InterfacesResult } from './interface-reader.ts';
import { type DomainJob, JobReader } from './job-reader.ts';
import { StatsRounds, Tally } from './rounds.ts';
import { type ShutOffDomain, ShutOffReader } from './shut-off-reader.ts';
import { type StoragePool, StoragePoolReader } from './storage-pools.ts';

/** The kinds of statistics. Each costs CPU time of libvirt or QEMU, so only those that collectors serve are read. */
export const STATS = ['balloon', 'vcpu', 'interface', 'block', 'cpu', 'job', 'pools', 'disk-errors'] as const;
export type StatsKind = (typeof STATS)[number];
const MONITOR_KINDS = ['balloon', 'vcpu', 'block'] as const;

export type { DomainJob };

/** Statistics of one domain; of a domain that is shut off, only what libvirt has then. */
export interface MeasuredDomain {
  readonly stats: DomainStats | undefined;
  /** When QEMU's values of `stats` were read, Unix time in seconds; undefined when `stats` lacks them. */
  readonly readAtSeconds: number | undefined;
  /** Whether everything wanted of libvirt was read in time; undefined when nothing was wanted of libvirt. */
  readonly complete: boolean | undefined;
  readonly cpu: CpuTimes | undefined;
  /** Disks that have stopped the domain, by target name: virDomainDiskErrorCode. Undefined when not read. */
  readonly diskErrors: ReadonlyMap<string, number> | undefined;
  /** The domain's job; `none` when it has no job, undefined when that is unknown. */
  readonly job: DomainJob | 'none' | undefined;
  /** Block jobs that run, by disk; undefined when these are unknown. */
  readonly blockJobs: BlockJobs | undefined;
}

export interface Measured {
  readonly of: (domain: Pick<DomainRef, 'uuid' | 'id'>) => MeasuredDomain | undefined;
  readonly pools: readonly StoragePool[] | undefined;
  /** Kinds that could not be read for any domain. */
  readonly failed: ReadonlySet<StatsKind>;
}

/** Values of a running domain that the exporter read on the host, and that libvirt is not called for. */
export interface HostView {
  /** State of QEMU's main thread, see ProcessStat; undefined where the exporter cannot see the process. */
  readonly processState: string | undefined;
  readonly cpu: CpuTimes | undefined;
  /** Whether the CPU times come from the host, also when they cannot be read now. A run keeps its source. */
  readonly hasCpuTimes: boolean;
  /** Whether the vCPU times are known. */
  readonly hasVcpus: boolean;
}

export interface MeasureOptions {
  /** In the milliseconds of the client's clock. */
  readonly deadline: number;
  readonly host?: (domain: Pick<DomainRef, 'uuid'>) => HostView;
  /** Whether an error of a disk has stopped the domain. The disks of other domains are not queried for errors. */
  readonly isStoppedByDisk?: (domain: Pick<DomainRef, 'uuid'>) => boolean;
  /** Domains of which the sizes of disks and memory are read. */
  readonly shutOff?: readonly ShutOffDomain[];
}

export interface StatsReaderOptions {
  readonly client: StatisticsClient;
  readonly unresponsive: UnresponsiveDomains;
  readonly log: Logger;
}

const NOTHING_SEEN: HostView = {
  processState: undefined,
  cpu: undefined,
  hasCpuTimes: false,
  hasVcpus: false,
};
/** QEMU waits for a device: it may not answer before its storage does. */
const WAITING_STATE = 'D';

/** What one round reads of one domain, and the result so far. */
interface DomainResult {
  readonly host: HostView;
  /** {@link StatsGroup}s that are read of it. */
  readonly groups: number;
  readonly wantsDiskErrors: boolean;
  stats: DomainStats | undefined;
  readAtSeconds: number | undefined;
  isComplete: boolean;
  diskErrors: ReadonlyMap<string, number> | undefined;
  job: DomainJob | 'none' | undefined;
  blockJobs: BlockJobs | undefined;
}

interface Round {
  readonly number: number;
  readonly kinds: ReadonlySet<StatsKind>;
  readonly deadline: number;
  /** By {@link domainRunId}. */
  readonly results: ReadonlyMap<string, DomainResult>;
  readonly monitor: Tally;
  readonly jobs: Tally;
  /** Domains for which no call could be sent before the deadline. */
  unsent: number;
}

/** Reads the statistics of running domains and storage pools, in parallel and within a deadline, also when some hang. */
export class StatsReader {
  readonly #client: StatisticsClient;
  readonly #unresponsive: UnresponsiveDomains;
  readonly #rounds = new StatsRounds();
  readonly #domains: DomainStatsReader;
  readonly #interfaces: InterfaceReader;
  readonly #cpu: CpuReader;
  readonly #jobs: JobReader;
  readonly #blockJobs: BlockJobReader;
  readonly #balloons = new BalloonCounters();
  readonly #shutOff: ShutOffReader;
  readonly #pools: StoragePoolReader;
  readonly #log: Logger;
  readonly #failing = new Set<StatsKind>();
  #lacksTime = false;

  constructor({ client, unresponsive, log }: StatsReaderOptions) {
    this.#client = client;
    this.#unresponsive = unresponsive;
    this.#domains = new DomainStatsReader(client);
    this.#interfaces = new InterfaceReader(client, log);
    this.#cpu = new CpuReader(client);
    this.#jobs = new JobReader(client);
    this.#blockJobs = new BlockJobReader(client);
    this.#shutOff = new ShutOffReader(client);
    this.#pools = new StoragePoolReader(client, log);
    this.#log = log;
  }

  /** Never throws: statistics that cannot be read in time are missing. */
  async measure(
    running: readonly DomainRef[],
    kinds: ReadonlySet<StatsKind>,
    { deadline, host = () => NOTHING_SEEN, isStoppedByDisk = () => false, shutOff = [] }: MeasureOptions,
  ): Promise<Measured> {
    this.#keepOnly(domainRunIds(running));
    const round = this.#beginRound(running, kinds, { deadline, host, isStoppedByDisk, shutOff });
    const pools = kinds.has('pools') ? this.#pools.read(deadline) : undefined;
    const interfaces = kinds.has('interface') ? this.#interfaces.read(running, deadline) : undefined;
    const domains = this.#readDomains(running, round);
    // Statistics are sent first: where time is short, jobs and CPU times are missing before disks are.
    const withoutTimes = running.filter((domain) => !host(domain).hasCpuTimes);
    const cpu = kinds.has('cpu') ? this.#cpu.read(withoutTimes, deadline) : undefined;
    const jobs = kinds.has('job') ? this.#readJobs(running, round) : undefined;
    const sizes = this.#shutOff.read(shutOff, groupsOf(kinds), deadline);
    const all = Promise.all([domains, interfaces, cpu, jobs, pools, sizes]);
    const { clock } = this.#client;
    await settledBy(clock, deadline, all);
    const [readInterfaces, readCpu, readPools] = await Promise.all([
      within(clock, deadline, interfaces),
      within(clock, deadline, cpu),
      pools,
    ]);
    // Calls that still wait for a slot turn out to be unsent only later.
    void all.then(() => this.#noteTime(round));
    const failed = failuresOf(round, readInterfaces, readCpu);
    this.#noteFailures(kindsRead(round, readInterfaces, readCpu), failed);
    return {
      of: (domain) =>
        domain.id < 0
          ? measuredShutOff(this.#shutOff.of(domain.uuid))
          : measuredDomain(domain, round, readInterfaces, readCpu),
      pools: readPools?.pools,
      // The reader of pools has logged why.
      failed: new Set([...failed.keys(), ...(readPools?.failed ? ['pools' as const] : [])]),
    };
  }

  #beginRound(
    running: readonly DomainRef[],
    kinds: ReadonlySet<StatsKind>,
    { deadline, host: hostOf, isStoppedByDisk }: Required<MeasureOptions>,
  ): Round {
    const groups = groupsOf(kinds);
    const results = new Map<string, DomainResult>();
    for (const domain of running) {
      const host = hostOf(domain);
      results.set(domainRunId(domain), {
        host,
        groups: host.hasVcpus ? groups & ~StatsGroup.vcpu : groups,
        wantsDiskErrors: kinds.has('disk-errors') && isStoppedByDisk(domain),
        stats: undefined,
        readAtSeconds: undefined,
        isComplete: false,
        diskErrors: undefined,
        job: undefined,
        blockJobs: undefined,
      });
      if (host.processState !== undefined) this.#unresponsive.noteProcessState(domain, host.processState);
    }
    const [monitor, jobs] = [new Tally(), new Tally()];
    this.#blockJobs.begin();
    return { number: this.#rounds.begin(), kinds, deadline, results, monitor, jobs, unsent: 0 };
  }

  async #readDomains(running: readonly DomainRef[], round: Round): Promise<void> {
    const waits = ({ host }: DomainResult): number => Number(host.processState === WAITING_STATE);
    const inOrder = scatter(running, round.number)
      .flatMap((domain) => {
        const result = round.results.get(domainRunId(domain));
        return result === undefined || (result.groups === 0 && !result.wantsDiskErrors)
          ? []
          : [{ domain, result }];
      })
      .sort((a, b) => waits(a.result) - waits(b.result));
    await Promise.all(inOrder.map(({ domain, result }) => this.#readDomain(domain, result, round)));
  }

  async #readDomain(domain: DomainRef, result: DomainResult, round: Round): Promise<void> {
    if (this.#unresponsive.isStopped(domain)) return;
    const terms = this.#rounds.terms(round.number, domain, round.deadline);
    if (result.groups !== 0) await this.#readStats(domain, result, round, terms);
    // Not at the same time: this call takes the domain's job lock, and the statistics would be partial.
    if (result.wantsDiskErrors && !this.#unresponsive.has(domain))
      result.diskErrors = await readDiskErrors(this.#client, domain, terms);
  }

  async #readStats(domain: DomainRef, result: DomainResult, round: Round, terms: StatsTerms): Promise<void> {
    const read = await this.#domains.read(domain, result.groups, terms);
    if (read.status === 'failed') round.monitor.failed(read.error);
    if (read.status === 'unsent') round.unsent += 1;
    if (read.status !== 'complete' && read.status !== 'partial' && read.status !== 'gone') return;
    round.monitor.succeeded();
    this.#rounds.answered(round.number, domain);
    if ('stats' in read)
      result.stats = {
        ...read.stats,
        balloon: this.#balloons.check(domainRunId(domain), read.stats.balloon),
      };
    if (read.status === 'complete') result.readAtSeconds = read.readAtSeconds;
    result.isComplete = read.status !== 'partial';
    if (!result.isComplete) return;
    this.#client.responded(domain);
    if (result.stats !== undefined && (result.groups & StatsGroup.block) !== 0)
      result.blockJobs = await this.#blockJobs.read(domain, result.stats.images, terms);
  }

  async #readJobs(running: readonly DomainRef[], round: Round): Promise<void> {
    await Promise.all(
      running.map(async (domain) => {
        const result = round.results.get(domainRunId(domain));
        if (result === undefined) return;
        const terms = this.#rounds.terms(round.number, domain, round.deadline);
        const read = await this.#jobs.read(domain, terms, this.#unresponsive.has(domain));
        if (read.status === 'failed') round.jobs.failed(read.error);
        if (read.status !== 'read') return;
        round.jobs.succeeded();
        result.job = read.job;
      }),
    );
  }

  #keepOnly(runs: ReadonlySet<string>): void {
    this.#client.keepOnly(runs);
    this.#rounds.keepOnly(runs);
    this.#domains.keepOnly(runs);
    this.#interfaces.keepOnly(runs);
    this.#cpu.keepOnly(runs);
    this.#jobs.keepOnly(runs);
    this.#blockJobs.keepOnly(runs);
    this.#balloons.keepOnly(runs);
    this.#unresponsive.keepOnly(runs);
  }

  /** Logs once that scrapes have too little time, until one has enough. */
  #noteTime({ unsent, monitor }: Round): void {
    // A round without any time at all says nothing about libvirt.
    if (!monitor.hasSucceeded) return;
    if (unsent > 0 && !this.#lacksTime) {
      this.#log.warn(
        { domains: unsent },
        'libvirt answers so slowly that the scrape had no time for some domains: their statistics are missing from it',
      );
    }
    this.#lacksTime = unsent > 0;
  }

  /** Logs once when a kind begins to fail and once when it recovers. A round that had no time for a kind changes nothing. */
  #noteFailures(read: readonly StatsKind[], failed: ReadonlyMap<StatsKind, unknown>): void {
    const worse = [...failed.keys()].filter((kind) => !this.#failing.has(kind));
    const better = read.filter((kind) => this.#failing.delete(kind));
    const [first] = worse;
    if (first !== undefined) {
      for (const kind of worse) this.#failing.add(kind);
      const err = failed.get(first);
      this.#log.warn(
        { kinds: worse, err },
        'libvirt returns no statistics of these kinds: their metrics are missing',
      );
    }
    if (better.length > 0) this.#log.info({ kinds: better }, 'statistics of these kinds can be read again');
  }
}

function groupsOf(kinds: ReadonlySet<StatsKind>): number {
  return MONITOR_KINDS.reduce((sum, kind) => (kinds.has(kind) ? sum | StatsGroup[kind] : sum), 0);
}

function measuredShutOff(stats: DomainStats | undefined): MeasuredDomain | undefined {
  if (stats === undefined) return undefined;
  return {
    stats,
    readAtSeconds: undefined,
    complete: undefined,
    cpu: undefined,
    diskErrors: undefined,
    job: undefined,
    blockJobs: undefined,
  };
}

function failuresOf(
  { kinds, monitor, jobs }: Round,
  interfaces: InterfacesResult | undefined,
  cpu: CpuResult | undefined,
): ReadonlyMap<StatsKind, unknown> {
  const failures: Readonly<Record<StatsKind, unknown>> = {
    balloon: monitor.failure,
    vcpu: monitor.failure,
    interface: interfaces?.failure,
    block: monitor.failure,
    cpu: cpu?.failure,
    job: jobs.failure,
    pools: undefined,
    'disk-errors': undefined,
  };
  return new Map(
    STATS.flatMap((kind) =>
      kinds.has(kind) && failures[kind] !== undefined ? [[kind, failures[kind]] as const] : [],
    ),
  );
}

function kindsRead(
  { kinds, monitor, jobs }: Round,
  interfaces: InterfacesResult | undefined,
  cpu: CpuResult | undefined,
): StatsKind[] {
  const isRead: Readonly<Record<StatsKind, boolean>> = {
    balloon: monitor.hasSucceeded,
    vcpu: monitor.hasSucceeded,
    interface: interfaces !== undefined && interfaces.interfaces.size > 0,
    block: monitor.hasSucceeded,
    cpu: cpu !== undefined && cpu.times.size > 0,
    job: jobs.hasSucceeded,
    pools: false,
    'disk-errors': false,
  };
  return STATS.filter((kind) => kinds.has(kind) && isRead[kind]);
}

function measuredDomain(
  domain: Pick<DomainRef, 'uuid' | 'id'>,
  { kinds, results }: Round,
  interfaces: InterfacesResult | undefined,
  cpu: CpuResult | undefined,
): MeasuredDomain | undefined {
  const run = domainRunId(domain);
  const result = results.get(run);
  if (result === undefined) return undefined;
  const { host, groups, stats, readAtSeconds, isComplete, diskErrors, job, blockJobs } = result;
  const own = interfaces?.interfaces.get(run);
  const wantsInterfaces = kinds.has('interface');
  const isWanted = groups !== 0 || wantsInterfaces;
  const isWhole = (groups === 0 || isComplete) && (!wantsInterfaces || own !== undefined);
  const times = host.hasCpuTimes ? host.cpu : cpu?.times.get(run);
  return {
    stats: own === undefined ? stats : { ...(stats ?? NO_STATS), interfaces: own },
    readAtSeconds,
    complete: isWanted ? isWhole : undefined,
    cpu: kinds.has('cpu') ? times : undefined,
    diskErrors,
    job,
    blockJobs,
  };
}

const NO_STATS: DomainStats = {
  balloon: new Map(),
  vcpuCounts: new Map(),
  vcpus: new Map(),
  blocks: new Map(),
  images: new Map(),
  interfaces: new Map(),
};

async function within<T>(
  clock: Clock,
  deadline: number,
  promise: Promise<T> | undefined,
): Promise<T | undefined> {
  if (promise === undefined) return undefined;
  return (await settledBy(clock, deadline, promise)) ? promise : undefined;
}
