import type { Logger } from 'pino';
import { settledWithin } from '../concurrency.ts';
import { domainRunId } from '../daemon/domain-run-id.ts';
import { type StatisticsClient, StatsGroup } from '../daemon/statistics-client.ts';
import type { UnresponsiveDomains } from '../daemon/unresponsive-domains.ts';
import type { CpuTimes } from '../host/cpu-times.ts';
import type { DomainRef } from '../libvirt/types.ts';
import { CpuReader } from './cpu-reader.ts';
import type { DomainStats } from './domain-stats.ts';
import { DomainStatsReader } from './domain-stats-reader.ts';
import { InterfaceReader } from './interface-reader.ts';
import { type DomainJob, JobReader } from './job-reader.ts';
import { StatsRounds, Tally } from './rounds.ts';
import { type StoragePool, StoragePoolReader } from './storage-pools.ts';

/** The kinds of statistics. Each costs CPU time of libvirt or QEMU, so only those that collectors serve are read. */
export const STATS = ['balloon', 'vcpu', 'interface', 'block', 'cpu', 'job', 'pools'] as const;
export type StatsKind = (typeof STATS)[number];
const MONITOR_KINDS = ['balloon', 'vcpu', 'block'] as const;

export type { DomainJob };

/** Statistics of one running domain. */
export interface MeasuredDomain {
  readonly stats: DomainStats | undefined;
  /** Whether everything wanted of libvirt was read in time; undefined when nothing was wanted of libvirt. */
  readonly complete: boolean | undefined;
  readonly cpu: CpuTimes | undefined;
  /** The domain's job; `none` when it has no job, undefined when that is unknown. */
  readonly job: DomainJob | 'none' | undefined;
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
  /** Whether the vCPU times are known. */
  readonly hasVcpus: boolean;
}

export interface MeasureOptions {
  /** performance.now() milliseconds. */
  readonly deadline: number;
  readonly host?: (domain: Pick<DomainRef, 'uuid'>) => HostView;
}

export interface StatsReaderOptions {
  readonly client: StatisticsClient;
  readonly unresponsive: UnresponsiveDomains;
  readonly log: Logger;
}

const NOTHING_SEEN: HostView = { processState: undefined, cpu: undefined, hasVcpus: false };
/** QEMU was stopped by a signal or a debugger, or has ended: it answers no call. */
const STOPPED_STATES: ReadonlySet<string> = new Set(['T', 't', 'Z', 'X']);
/** QEMU waits for a device: it may not answer before its storage does. */
const WAITING_STATE = 'D';

/** The result of one domain in one round. */
interface Result {
  stats: DomainStats | undefined;
  isComplete: boolean;
  job: DomainJob | 'none' | undefined;
}

/** Reads the statistics of running domains and storage pools, in parallel and within a deadline, also when some hang. */
export class StatsReader {
  readonly #unresponsive: UnresponsiveDomains;
  readonly #rounds = new StatsRounds();
  readonly #domains: DomainStatsReader;
  readonly #interfaces: InterfaceReader;
  readonly #cpu: CpuReader;
  readonly #jobs: JobReader;
  readonly #pools: StoragePoolReader;
  readonly #log: Logger;
  readonly #failing = new Set<StatsKind>();

  constructor({ client, unresponsive, log }: StatsReaderOptions) {
    this.#unresponsive = unresponsive;
    this.#domains = new DomainStatsReader(client);
    this.#interfaces = new InterfaceReader(client, log);
    this.#cpu = new CpuReader(client);
    this.#jobs = new JobReader(client);
    this.#pools = new StoragePoolReader(client, log);
    this.#log = log;
  }

  /** Never throws: values that are not read in time are missing. */
  async measure(
    running: readonly DomainRef[],
    kinds: ReadonlySet<StatsKind>,
    { deadline, host = () => NOTHING_SEEN }: MeasureOptions,
  ): Promise<Measured> {
    this.#keepOnly(running);
    const round = this.#rounds.begin();
    const monitorKinds = MONITOR_KINDS.filter((kind) => kinds.has(kind));
    const groups = monitorKinds.reduce((sum, kind) => sum | StatsGroup[kind], 0);
    const groupsOf = (domain: DomainRef): number =>
      host(domain).hasVcpus ? groups & ~StatsGroup.vcpu : groups;
    const results = new Map<string, Result>();
    const [monitor, jobs] = [new Tally(), new Tally()];
    const readDomain = async (domain: DomainRef): Promise<void> => {
      const result: Result = { stats: undefined, isComplete: false, job: undefined };
      results.set(domainRunId(domain), result);
      const terms = this.#rounds.terms(round, domain, deadline);
      const isStopped = this.#noteProcess(domain, host(domain).processState);
      if (kinds.has('job')) {
        const read = await this.#jobs.read(domain, terms, isStopped || this.#unresponsive.has(domain));
        if (read.status === 'read') result.job = read.job;
        if (read.status === 'read') jobs.succeeded();
        else if (read.status === 'failed') jobs.failed(read.error);
      }
      const wanted = groupsOf(domain);
      if (wanted === 0 || isStopped) {
        result.isComplete = wanted === 0;
        return;
      }
      const read = await this.#domains.read(domain, wanted, terms);
      if (read.status === 'failed') monitor.failed(read.error);
      if (read.status !== 'complete' && read.status !== 'partial' && read.status !== 'gone') return;
      monitor.succeeded();
      this.#rounds.answered(round, domain);
      if ('stats' in read) result.stats = read.stats;
      result.isComplete = read.status !== 'partial';
    };
    const pools = kinds.has('pools') ? this.#pools.read(deadline) : undefined;
    const interfaces = kinds.has('interface') ? this.#interfaces.read(running, deadline) : undefined;
    const withoutTimes = kinds.has('cpu') ? running.filter((domain) => host(domain).cpu === undefined) : [];
    const cpu = this.#cpu.read(withoutTimes, deadline);
    const inOrder = [...running].sort((a, b) => rank(host(a)) - rank(host(b)));
    const domains = groups === 0 && !kinds.has('job') ? undefined : Promise.all(inOrder.map(readDomain));
    const all = Promise.all([domains, interfaces, cpu, pools]);
    await settledWithin(all, Math.max(0, deadline - performance.now()));
    const [readInterfaces, readCpu, readPools] = await Promise.all([
      within(interfaces, deadline),
      within(cpu, deadline),
      pools,
    ]);
    const failures: Readonly<Record<StatsKind, unknown>> = {
      balloon: monitor.failure,
      vcpu: monitor.failure,
      interface: readInterfaces?.failure,
      block: monitor.failure,
      cpu: readCpu?.failure,
      job: jobs.failure,
      pools: undefined, // StoragePoolReader logs its errors
    };
    const failed = new Map(
      STATS.flatMap((kind) =>
        kinds.has(kind) && failures[kind] !== undefined ? [[kind, failures[kind]] as const] : [],
      ),
    );
    const read: StatsKind[] = [
      ...(monitor.hasSucceeded ? monitorKinds : []),
      ...(readInterfaces !== undefined && readInterfaces.interfaces.size > 0 ? ['interface' as const] : []),
      ...(readCpu !== undefined && readCpu.times.size > 0 ? ['cpu' as const] : []),
      ...(jobs.hasSucceeded ? ['job' as const] : []),
    ];
    this.#noteFailures(read, failed);
    return {
      of: (domain) => {
        if (domain.id < 0) return undefined;
        const run = domainRunId(domain);
        const result = results.get(run);
        const own = readInterfaces?.interfaces.get(run);
        const wantsMonitor = groupsOf({ ...domain, name: '' }) !== 0;
        const hasInterfaces = !kinds.has('interface') || own !== undefined;
        return {
          stats: withInterfaces(result?.stats, own),
          complete:
            wantsMonitor || kinds.has('interface')
              ? (!wantsMonitor || result?.isComplete === true) && hasInterfaces
              : undefined,
          cpu: kinds.has('cpu') ? (host(domain).cpu ?? readCpu?.times.get(run)) : undefined,
          job: result?.job,
        };
      },
      pools: readPools?.pools,
      failed: new Set([...failed.keys(), ...(readPools?.failed ? ['pools' as const] : [])]),
    };
  }

  /** Reports a stopped QEMU. Returns true when it is stopped: calls that need its monitor are then not sent. */
  #noteProcess(domain: DomainRef, state: string | undefined): boolean {
    const isStopped = state !== undefined && STOPPED_STATES.has(state);
    if (isStopped) this.#unresponsive.add(domain, 'stopped');
    else this.#unresponsive.remove(domain, 'stopped');
    return isStopped;
  }

  #keepOnly(running: readonly DomainRef[]): void {
    this.#rounds.keepOnly(running);
    this.#domains.keepOnly(running);
    this.#jobs.keepOnly(running);
    this.#unresponsive.keepOnly(running);
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

function rank({ processState }: HostView): number {
  return processState === WAITING_STATE ? 1 : 0;
}

const NO_STATS: DomainStats = {
  balloon: new Map(),
  vcpuCounts: new Map(),
  vcpus: new Map(),
  blocks: new Map(),
  interfaces: new Map(),
};

function withInterfaces(
  stats: DomainStats | undefined,
  interfaces: DomainStats['interfaces'] | undefined,
): DomainStats | undefined {
  return interfaces === undefined ? stats : { ...(stats ?? NO_STATS), interfaces };
}

async function within<T>(promise: Promise<T> | undefined, deadline: number): Promise<T | undefined> {
  if (promise === undefined) return undefined;
  return (await settledWithin(promise, Math.max(0, deadline - performance.now()))) ? promise : undefined;
}
