import { settledWithin } from '../concurrency.ts';
import type { HostResourcePaths } from './host-resources.ts';
import { type ProcessSample, ProcessSampler, type SampleOptions } from './process-sampler.ts';
import { readProcessStat } from './process-stat.ts';
import { readLastLoggedStart } from './qemu-log.ts';
import { findQemuProcesses, type QemuProcess } from './qemu-process.ts';
import { QemuThreads, type ThreadSample } from './qemu-threads.ts';

export interface HostPaths {
  readonly proc: string;
  /** libvirt's directory of the domains' logs. */
  readonly qemuLogs: string;
  readonly cgroups: string;
}

export const HOST_PATHS: HostPaths & HostResourcePaths = {
  proc: '/proc',
  onlineCpus: '/sys/devices/system/cpu/online',
  qemuLogs: '/var/log/libvirt/qemu',
  cgroups: '/sys/fs/cgroup',
};

/** A running domain; `id` identifies the run. */
export interface DomainRunRef {
  readonly uuid: string;
  readonly name: string;
  readonly id: number;
}

/** What the host's file system shows of one run. It is read once, as it does not change during the run. */
export interface DomainRun {
  readonly id: number;
  readonly process: QemuProcess | undefined;
  /** QEMU version of this start in the domain's log. */
  readonly loggedVersion: string | undefined;
}

/** `stat` has some hundred bytes. */
const MAX_FILE_BYTES = 1_024;
/** A process that was not found may have started since. /proc is searched for it again after this time. */
const LOOK_AGAIN_MS = 30_000;
/**
 * Scrapes wait for this long. Reading the command line of a process that is stuck in the kernel with its memory locked hangs
 * until the memory is unlocked, in `ps` as well.
 */
const TIMEOUT_MS = 2_000;
/** libvirt logs the start a moment before the process exists. */
const SAME_START_SECONDS = 60;

/** Keeps what the host shows of each run, so that a scrape without new runs does not search /proc. */
export class DomainRuns {
  readonly #paths: HostPaths;
  readonly #runs = new Map<string, DomainRun>();
  readonly #sampler: ProcessSampler;
  readonly #threads: QemuThreads;
  readonly #buffer = Buffer.allocUnsafeSlow(MAX_FILE_BYTES);
  #lookedAt = Number.NEGATIVE_INFINITY;
  #look: Promise<void> | undefined;

  constructor(paths: HostPaths) {
    this.#paths = paths;
    this.#sampler = new ProcessSampler(paths);
    this.#threads = new QemuThreads(paths.proc);
  }

  /** Forgets every run: a restarted daemon may give the same id to another run. */
  forget(): void {
    this.#runs.clear();
  }

  /**
   * Returns the run of each running domain, by uuid. Never throws. Waits two seconds at most, and not beyond `deadline`
   * (performance.now() milliseconds). Values that cannot be read in time are undefined.
   */
  async lookUp(
    running: readonly DomainRunRef[],
    deadline = Number.POSITIVE_INFINITY,
  ): Promise<ReadonlyMap<string, DomainRun>> {
    // A search that is in progress may have begun before the newest of these runs.
    for (let looks = 0; looks < 2 && this.#isLookNeeded(running); looks++) {
      this.#look ??= this.#lookAt(running).finally(() => {
        this.#look = undefined;
      });
      // Counted from the beginning of the search, so that only one scrape waits for a search that hangs.
      const until = Math.min(deadline, this.#lookedAt + TIMEOUT_MS);
      await settledWithin(this.#look, Math.max(0, until - performance.now()));
    }
    this.#forgetAllBut(running);
    return this.#runs;
  }

  #isLookNeeded(running: readonly DomainRunRef[]): boolean {
    const lookAgain = performance.now() - this.#lookedAt > LOOK_AGAIN_MS;
    return running.some((run) => this.#isNew(run) || (lookAgain && this.#isMissing(run)));
  }

  #isNew({ uuid, id }: DomainRunRef): boolean {
    return this.#runs.get(uuid)?.id !== id;
  }

  #isMissing({ uuid }: DomainRunRef): boolean {
    return this.#runs.get(uuid)?.process === undefined;
  }

  async #lookAt(running: readonly DomainRunRef[]): Promise<void> {
    this.#lookedAt = performance.now();
    const wanted = new Set(running.map(({ uuid }) => uuid));
    const processes = await findQemuProcesses(this.#paths.proc, this.#paths.cgroups, wanted).catch(
      () => new Map<string, QemuProcess>(),
    );
    for (const run of running) {
      if (this.#isNew(run) || this.#isMissing(run))
        this.#runs.set(run.uuid, await this.#readRun(run, processes.get(run.uuid)));
    }
  }

  /** The processes of the domains that were looked up last, by uuid. Processes that the exporter cannot see are missing. */
  processes(options: SampleOptions): Promise<ReadonlyMap<string, ProcessSample>> {
    return this.#sampler.sample(this.#known(), options);
  }

  /** libvirt changed the domain's CPU quota. */
  quotaChanged(uuid: string): void {
    this.#sampler.quotaChanged(uuid);
  }

  /** State of the main thread of the domain's QEMU, see ProcessStat; undefined where it cannot be seen. */
  processState({ uuid, id }: Pick<DomainRunRef, 'uuid' | 'id'>): string | undefined {
    const run = this.#runs.get(uuid);
    if (run?.id !== id || run.process === undefined) return undefined;
    return readProcessStat(this.#paths.proc, run.process.pid, this.#buffer)?.state;
  }

  /** The threads of these processes, by uuid; those whose threads cannot be seen are missing. */
  async threads(processes: ReadonlyMap<string, ProcessSample>): Promise<ReadonlyMap<string, ThreadSample>> {
    const known = this.#known();
    const refs = [...processes].flatMap(([uuid, { state }]) => {
      const pid = known.get(uuid)?.pid;
      return pid === undefined ? [] : [{ uuid, pid, state }];
    });
    const read = await this.#threads.read(refs, performance.now());
    const found = new Map<string, ThreadSample>();
    for (const { uuid, pid } of refs) {
      const threads = read.get(pid);
      if (threads !== undefined) found.set(uuid, threads);
    }
    return found;
  }

  /** The domain's run at the last look-up. */
  known(uuid: string): DomainRun | undefined {
    return this.#runs.get(uuid);
  }

  #known(): ReadonlyMap<string, QemuProcess> {
    const processes = new Map<string, QemuProcess>();
    for (const [uuid, { process }] of this.#runs) if (process !== undefined) processes.set(uuid, process);
    return processes;
  }

  async #readRun({ id, name }: DomainRunRef, process: QemuProcess | undefined): Promise<DomainRun> {
    const logged = await readLastLoggedStart(this.#paths.qemuLogs, name);
    const ofThisRun =
      logged !== undefined &&
      (process === undefined || Math.abs(logged.startSeconds - process.startSeconds) < SAME_START_SECONDS);
    return { id, process, loggedVersion: ofThisRun ? logged.version : undefined };
  }

  #forgetAllBut(running: readonly DomainRunRef[]): void {
    const ids = new Map(running.map(({ uuid, id }) => [uuid, id]));
    for (const [uuid, { id }] of this.#runs) if (ids.get(uuid) !== id) this.#runs.delete(uuid);
  }
}
