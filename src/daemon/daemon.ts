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
  /** Called for each call that is sent. */
  readonly onCallSent: (procedure: string) => void;
  readonly onDomainEvent: (event: DomainEvent) => void;
  /** Called for each new connection. Changes since the last connection were not announced. */
  readonly onConnected: (client: ConfigurationClient) => void;
  /** Called once per outage, when the connection is lost or the first attempt fails. */
  readonly onDisconnected: () => void;
  readonly log: Logger;
  readonly clock?: Clock;
}

/**
 * All uses of libvirt's daemon, over three kinds of connections and with one budget of the daemon's workers.
 * docs/architecture.md has the path of a scrape through this folder.
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
        log.warn(
          { err: reason },
          'no connection to libvirt: metrics of all domains are missing until it is back',
        );
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

  /** Connected, and no listing or high-priority call is unanswered past its deadline. */
  get isAnswering(): boolean {
    return this.#client?.isAnswering === true;
  }

  /**
   * Returns the connected client; connects first when there is no connection.
   * @throws LibvirtTransportError when libvirt cannot be reached now
   */
  async connected(): Promise<ConfigurationClient> {
    await this.#events.connected();
    if (this.#client === undefined) throw new Error('libvirt is connected, but there is no client');
    return this.#client;
  }

  async stop(): Promise<void> {
    await Promise.all([this.#events.stop(), this.#pool.stop(), this.agents.stop()]);
  }
}

/** Makes the function that opens the call pool's connections: read-only, without events. */
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
