import type { Logger } from 'pino';
import { domainRunId, keepOnlyRuns } from '../daemon/domain-run-id.ts';
import type { StatisticsClient } from '../daemon/statistics-client.ts';
import type { DomainRef } from '../libvirt/types.ts';
import { parseDomainStats, type StatsFields } from './domain-stats.ts';
import { isGoneError, Tally } from './rounds.ts';

/** Interfaces of one domain, by their names on the host. */
type InterfaceStats = ReadonlyMap<string, StatsFields>;

export interface InterfacesResult {
  /** By {@link domainRunId}; a domain whose interfaces could not be read is missing. */
  readonly interfaces: ReadonlyMap<string, InterfaceStats>;
  /** The first call's error, when no call succeeded. */
  readonly failure: unknown;
}

const NONE: InterfaceStats = new Map();

/**
 * Reads the interfaces of all domains with one call, which needs no QEMU and takes 2 ms for 200 domains. If libvirt does not
 * answer it in time, each domain is read with its own call. Two cases are known: libvirt runs ovs-vsctl for vhost-user
 * interfaces, and it holds a domain's lock while it ends the domain.
 */
export class InterfaceReader {
  readonly #client: StatisticsClient;
  readonly #log: Logger;
  /** Runs whose own call was not answered in time. */
  readonly #slow = new Set<string>();

  constructor(client: StatisticsClient, log: Logger) {
    this.#client = client;
    this.#log = log;
  }

  /** Never throws. Domains that are not read by `deadline` (the clock's milliseconds) are missing. */
  async read(running: readonly DomainRef[], deadline: number): Promise<InterfacesResult> {
    const interfaces = new Map<string, InterfaceStats>();
    const tally = new Tally();
    const read = async (
      domains: readonly DomainRef[],
      key: string,
    ): Promise<'read' | 'unresponsive' | 'failed'> => {
      try {
        const result = await this.#client.interfaceStats(domains, key, deadline);
        if (result.status !== 'answered') return result.status === 'unresponsive' ? 'unresponsive' : 'failed';
        tally.succeeded();
        // libvirt returns no record of a domain that has stopped since it was listed.
        for (const domain of domains) interfaces.set(domainRunId(domain), NONE);
        for (const { domain, params } of result.value)
          interfaces.set(domainRunId(domain), parseDomainStats(params).interfaces);
        return 'read';
      } catch (error) {
        if (!isGoneError(error)) tally.failed(error);
        return 'failed';
      }
    };
    const fast = running.filter((domain) => !this.#slow.has(domainRunId(domain)));
    const isRead = fast.length === 0 || (await read(fast, fingerprint(fast))) === 'read';
    const left = isRead ? running.filter((domain) => this.#slow.has(domainRunId(domain))) : running;
    await Promise.all(
      left.map(async (domain) => {
        const run = domainRunId(domain);
        const status = await read([domain], run);
        if (status === 'read') this.#noteFast(domain);
        else if (status === 'unresponsive') this.#noteSlow(domain);
      }),
    );
    return { interfaces: new Map(interfaces), failure: tally.failure };
  }

  /** Forgets all runs but these. */
  keepOnly(runs: ReadonlySet<string>): void {
    keepOnlyRuns(this.#slow, runs);
  }

  #noteSlow({ name, ...run }: DomainRef): void {
    if (this.#slow.has(domainRunId(run))) return;
    this.#slow.add(domainRunId(run));
    this.#log.warn(
      { domain: name },
      'libvirt does not return the interface statistics of this domain in time: its interface metrics are missing',
    );
  }

  #noteFast({ name, ...run }: DomainRef): void {
    if (this.#slow.delete(domainRunId(run)))
      this.#log.info({ domain: name }, 'the interface statistics of this domain can be read again');
  }
}

/** Part of the call's key: two calls for the same domains are joined. */
function fingerprint(domains: readonly DomainRef[]): string {
  return domains.map(domainRunId).join();
}
