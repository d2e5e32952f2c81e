import type { Logger } from 'pino';
import { closeConnection, openConnection } from '../libvirt/connect.ts';
import { LibvirtServerError, ServerErrorNumber } from '../libvirt/errors.ts';
import { domainSetMemoryStatsPeriod } from '../libvirt/procedures/domain.ts';
import type { DomainRef } from '../libvirt/types.ts';
import type { LibvirtTarget } from '../libvirt/uri.ts';

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
/** A domain that is busy or hangs, and libvirt without a way in, are tried again after this time. */
const RETRY_MS = 60_000;

/** Sets the statistics period of running domains, once per run, over a connection opened for the purpose. */
export class BalloonPeriodSetter {
  readonly #options: BalloonPeriodOptions;
  /** When each run may be tried again, performance.now() milliseconds: never where it is settled. */
  readonly #tried = new Map<string, number>();
  #working = false;
  #warned = false;
  #retryAt = Number.NEGATIVE_INFINITY;

  constructor(options: BalloonPeriodOptions) {
    this.#options = options;
  }

  /** libvirt was restarted, and may have given the ids of runs anew. */
  forget(): void {
    this.#tried.clear();
  }

  /**
   * Sets the period on those of the domains that were not tried in this run; returns where it succeeded. Never
   * throws: without a way in it warns once, and tries again a minute later.
   */
  async apply(domains: readonly DomainRef[]): Promise<DomainRef[]> {
    const now = performance.now();
    const untried = domains.filter((domain) => (this.#tried.get(domainRunId(domain)) ?? now) <= now);
    if (this.#working || untried.length === 0 || now < this.#retryAt) return [];
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
    const succeeded: DomainRef[] = [];
    try {
      for (const { name, uuid, id } of domains) {
        const domain = { name, uuid, id };
        try {
          await connection.call(
            domainSetMemoryStatsPeriod,
            { domain, seconds, flags: AFFECT_LIVE },
            timeoutMs,
          );
          this.#tried.set(domainRunId(domain), Number.POSITIVE_INFINITY);
          succeeded.push(domain);
          log.info({ domain: name, seconds }, 'set the balloon statistics period, until the domain stops');
        } catch (error) {
          this.#failed(domain, error);
          // A call that hangs keeps its place on the connection: the others are set over the next one.
          if (!(error instanceof LibvirtServerError)) break;
        }
      }
      return succeeded;
    } finally {
      await closeConnection(connection);
    }
  }

  #failed(domain: DomainRef, error: unknown): void {
    const run = domainRunId(domain);
    if (!this.#tried.has(run))
      this.#options.log.warn(
        { domain: domain.name, err: error },
        'the balloon statistics period cannot be set',
      );
    const isFinal =
      error instanceof LibvirtServerError && error.number !== ServerErrorNumber.operationTimeout;
    this.#tried.set(run, isFinal ? Number.POSITIVE_INFINITY : performance.now() + RETRY_MS);
  }
}

function domainRunId({ uuid, id }: DomainRef): string {
  return `${uuid} ${id}`;
}
