import type { Logger } from 'pino';
import { closeConnection, openConnection } from '../libvirt/connect.ts';
import type { DomainEvent } from '../libvirt/events.ts';
import type { LibvirtTarget } from '../libvirt/uri.ts';
import { AgentConnection } from './agent-connection.ts';
import { CallPool } from './call-pool.ts';
import { type Clock, SYSTEM_CLOCK } from './clock.ts';
import { ConfigurationClient } from './configuration-client.ts';
import { EventConnection } from './event-connection.ts';
import type { OpenPoolConnection } from './pool-connections.ts';
import { StatisticsClient } from './statistics-client.ts';
import { UnresponsiveDomains } from './unresponsive-domains.ts';
import { WorkerBudget } from './worker-budget.ts';

export interface DaemonOptions {
  readonly target: LibvirtTarget;
  /** Deadline of connecting and of calls that wait for no domain, in milliseconds. */
  readonly timeoutMs: number;
  /** Called for each call handed to libvirt. */
  readonly onCallSent: (procedure: string) => void;
  readonly onDomainEvent: (event: DomainEvent) => void;
  /** A new connection stands; whatever was known before may have changed unseen. */
  readonly onConnected: (client: ConfigurationClient) => void;
  /** A connection was lost or could not be had; once an outage. */
  readonly onDisconnected: () => void;
  readonly log: Logger;
  readonly clock?: Clock;
}

/**
 * Everything this process wants of libvirt's daemon, over three kinds of connections and one budget of its workers. See
 * docs/architecture.md for the path of a scrape through it.
 */
export class Daemon {
  readonly unresponsive: UnresponsiveDomains;
  readonly statistics: StatisticsClient;
  readonly agents: AgentConnection;
  readonly #events: EventConnection;
  readonly #pool: CallPool;
  #client: ConfigurationClient | undefined;
  #connections = 0;

  constructor(options: DaemonOptions) {
    const { target, timeoutMs, onCallSent, log, clock = SYSTEM_CLOCK } = options;
    const budget = new WorkerBudget(clock);
    this.unresponsive = new UnresponsiveDomains(log);
    this.#pool = new CallPool({
      open: openReadOnly(options),
      budget,
      unresponsive: this.unresponsive,
      clock,
    });
    this.statistics = new StatisticsClient(this.#pool);
    this.#events = new EventConnection({
      target,
      timeoutMs,
      clock,
      onCallSent,
      onDomainEvent: options.onDomainEvent,
      onDaemonRestarted: () => {
        budget.forgetOrphans();
        this.unresponsive.clear();
      },
      onConnected: (events) => {
        this.agents.retry();
        this.#pool.retry();
        const onListed = (): void => this.#events.confirm();
        this.#connections += 1;
        const number = this.#connections;
        this.#client = new ConfigurationClient({ number, events, pool: this.#pool, clock, onListed });
        options.onConnected(this.#client);
      },
      onDisconnected: (reason) => {
        log.warn({ err: reason }, 'no connection to libvirt: no domain is served until there is one');
        options.onDisconnected();
      },
      onRecovered: () => log.info('connected to libvirt again'),
    });
    this.agents = new AgentConnection({
      target,
      timeoutMs,
      onCallSent,
      budget,
      clock,
      isLibvirtUp: () => this.#events.isConnected,
      log,
    });
  }

  /** Starts connecting in the background; returns at once. */
  start(): void {
    this.#events.start();
  }

  /** Connected, and libvirt leaves no listing and no high-priority call unanswered past its deadline. */
  get isAnswering(): boolean {
    return this.#client?.isAnswering === true;
  }

  /**
   * The connected client; connects first when there is none.
   * @throws LibvirtTransportError when libvirt cannot be reached now
   */
  async connected(): Promise<ConfigurationClient> {
    await this.#events.connected();
    if (this.#client === undefined) throw new Error('a connection stands without its client');
    return this.#client;
  }

  async stop(): Promise<void> {
    await Promise.all([this.#events.stop(), this.#pool.stop(), this.agents.stop()]);
  }
}

/** How the pool opens a connection: read-only, without events. */
export function openReadOnly({
  target,
  timeoutMs,
  onCallSent,
}: Pick<DaemonOptions, 'target' | 'timeoutMs' | 'onCallSent'>): OpenPoolConnection {
  return async ({ onClose }) => {
    const connection = await openConnection({
      socketPaths: target.readOnlySockets,
      connectName: target.connectName,
      readOnly: true,
      timeoutMs,
      onClose,
      onCallSent,
      onEvent: () => undefined,
    });
    return { connection, close: () => closeConnection(connection) };
  };
}
