import type { Logger } from 'pino';
import type { DomainRef } from '../libvirt/types.ts';
import { domainRunId, keepOnlyRuns } from './domain-run-id.ts';

/**
 * `monitor`: a call for statistics has no answer. `job`: a call for the domain's job has none. `stopped`: QEMU's process is
 * stopped, so no call was sent.
 */
export type UnresponsiveCause = 'monitor' | 'job' | 'stopped';

/** Stopped by a signal or by a debugger. A QEMU that has ended (Z, X) is libvirt's to report: the domain stops. */
const STOPPED_STATES: ReadonlySet<string> = new Set(['T', 't']);

/**
 * The runs whose QEMU does not respond. The call pool and the statistics reader add runs; statistics, inventory and the
 * guest prober read them.
 */
export class UnresponsiveDomains {
  readonly #log: Logger;
  readonly #causes = new Map<string, Set<UnresponsiveCause>>();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** State of the main thread of the domain's QEMU, as `/proc/PID/stat` has it. */
  noteProcessState(domain: DomainRef, state: string): void {
    if (STOPPED_STATES.has(state)) this.add(domain, 'stopped');
    else this.remove(domain, 'stopped');
  }

  /** Whether QEMU's process is stopped: no call that needs its monitor is sent then. */
  isStopped(domain: Pick<DomainRef, 'uuid' | 'id'>): boolean {
    return this.#causes.get(domainRunId(domain))?.has('stopped') === true;
  }

  has(domain: Pick<DomainRef, 'uuid' | 'id'>): boolean {
    return this.#causes.has(domainRunId(domain));
  }

  get size(): number {
    return this.#causes.size;
  }

  add(domain: DomainRef, cause: UnresponsiveCause): void {
    const id = domainRunId(domain);
    const causes = this.#causes.get(id);
    if (causes !== undefined) {
      causes.add(cause);
      return;
    }
    this.#causes.set(id, new Set([cause]));
    this.#log.warn(
      { domain: domain.name, cause },
      'QEMU does not respond: the disk, balloon and job statistics of this domain are missing until it does',
    );
  }

  remove(domain: DomainRef, cause: UnresponsiveCause): void {
    const id = domainRunId(domain);
    const causes = this.#causes.get(id);
    if (causes?.delete(cause) !== true || causes.size > 0) return;
    this.#causes.delete(id);
    this.#log.info(
      { domain: domain.name },
      'QEMU responds again: all statistics of this domain are read again',
    );
  }

  /** The call's connection has ended, so it is unknown whether QEMU responds. */
  forget(domain: DomainRef, cause: UnresponsiveCause): void {
    const id = domainRunId(domain);
    const causes = this.#causes.get(id);
    if (causes?.delete(cause) === true && causes.size === 0) this.#causes.delete(id);
  }

  /** Forgets all runs but these. */
  keepOnly(runs: ReadonlySet<string>): void {
    keepOnlyRuns(this.#causes, runs);
  }

  /** libvirt's daemon was restarted: the same run number can mean another run. */
  clear(): void {
    this.#causes.clear();
  }
}
