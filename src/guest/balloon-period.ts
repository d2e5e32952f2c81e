import type { Logger } from 'pino';
import { closeConnection, openConnection } from '../libvirt/open.ts';
import { domainSetMemoryStatsPeriod } from '../libvirt/procedures.ts';
import type { LibvirtTarget } from '../libvirt/uri.ts';
import type { DomainRef } from '../libvirt/wire-types.ts';

export interface BalloonPeriodOptions {
  readonly connection: {
    readonly target: LibvirtTarget;
    readonly timeoutMs: number;
    readonly onCallSent: (procedure: string) => void;
  };
  readonly seconds: number;
  readonly log: Logger;
}

/** virDomainModificationImpact: the running domain alone, so that nothing stays behind after its stop. */
const AFFECT_LIVE = 1;
/** Runs that were tried, remembered so that a refusal is not repeated; enough for any hypervisor. */
const MAX_TRIED = 16_384;
const RETRY_MS = 60_000;

/** Sets the statistics period of running domains, once per run, over a connection opened for the purpose. */
export class BalloonPeriodSetter {
  readonly #options: BalloonPeriodOptions;
  readonly #tried = new Set<string>();
  #working = false;
  #warned = false;
  #retryAt = Number.NEGATIVE_INFINITY;

  constructor(options: BalloonPeriodOptions) {
    this.#options = options;
  }

  /**
   * Sets the period on those of the domains that were not tried in this run; returns where it succeeded. Never
   * throws: without a way in it warns once, and tries again a minute later.
   */
  async apply(domains: readonly DomainRef[]): Promise<DomainRef[]> {
    const untried = domains.filter(({ uuid, id }) => !this.#tried.has(`${uuid} ${id}`));
    if (this.#working || untried.length === 0 || performance.now() < this.#retryAt) return [];
    this.#working = true;
    try {
      const succeeded = await this.#set(untried);
      this.#warned = false;
      return succeeded;
    } catch (error) {
      this.#retryAt = performance.now() + RETRY_MS;
      if (!this.#warned)
        this.#options.log.warn({ err: error }, 'no way in to set balloon statistics periods');
      this.#warned = true;
      return [];
    } finally {
      this.#working = false;
    }
  }

  async #set(domains: readonly DomainRef[]): Promise<DomainRef[]> {
    const { connection: options, seconds, log } = this.#options;
    const { target, timeoutMs, onCallSent } = options;
    const connection = await openConnection({
      socketPaths: target.readWriteSockets,
      connectName: target.connectName,
      readOnly: false,
      timeoutMs,
      onCallSent,
      onClose: () => undefined,
      onEvent: () => undefined,
    });
    if (this.#tried.size + domains.length > MAX_TRIED) this.#tried.clear();
    for (const { uuid, id } of domains) this.#tried.add(`${uuid} ${id}`);
    const succeeded: DomainRef[] = [];
    try {
      for (const { name, uuid, id } of domains) {
        const args = { domain: { name, uuid, id }, seconds, flags: AFFECT_LIVE };
        try {
          await connection.call(domainSetMemoryStatsPeriod, args, timeoutMs);
          succeeded.push({ name, uuid, id });
          log.info({ domain: name, seconds }, 'set the balloon statistics period, until the domain stops');
        } catch (error) {
          log.warn({ domain: name, err: error }, 'the balloon statistics period cannot be set');
        }
      }
      return succeeded;
    } finally {
      await closeConnection(connection);
    }
  }
}
