import type { Logger } from 'pino';
import type { DomainRef } from '../libvirt/types.ts';
import { domainRunId } from './domain-run-id.ts';

/**
 * `monitor`, `job`: a call for statistics or for the job has no answer. `stopped`: QEMU's process is stopped, so none was
 * sent.
 */
export type UnresponsiveCause = 'monitor' | 'job' | 'stopped';

/**
 * The runs whose QEMU does not respond: the call pool and the state of QEMU's process report them, statistics, inventory and
 * guests read them.
 */
export class UnresponsiveDomains {
  readonly #log: Logger;
  readonly #causes = new Map<string, Set<UnresponsiveCause>>();

  constructor(log: Logger) {
    this.#log = log;
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
      'QEMU does not respond: this domain has no disk, balloon and job statistics until it does',
    );
  }

  remove(domain: DomainRef, cause: UnresponsiveCause): void {
    const id = domainRunId(domain);
    const causes = this.#causes.get(id);
    if (causes?.delete(cause) !== true || causes.size > 0) return;
    this.#causes.delete(id);
    this.#log.info({ domain: domain.name }, 'QEMU responds again');
  }

  /** The connection of the call ended: whether QEMU responds is not known any more. */
  forget(domain: DomainRef, cause: UnresponsiveCause): void {
    const id = domainRunId(domain);
    const causes = this.#causes.get(id);
    if (causes?.delete(cause) === true && causes.size === 0) this.#causes.delete(id);
  }

  /** Forgets the runs that are over. */
  keepOnly(running: readonly DomainRef[]): void {
    if (this.#causes.size === 0) return;
    const ids = new Set(running.map(domainRunId));
    for (const id of this.#causes.keys()) if (!ids.has(id)) this.#causes.delete(id);
  }

  /** libvirt's daemon was restarted: run numbers may mean other runs. */
  clear(): void {
    this.#causes.clear();
  }
}
