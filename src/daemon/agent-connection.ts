import type { Logger } from 'pino';
import { closeConnection, openConnection } from '../libvirt/connect.ts';
import { LibvirtServerError, LibvirtTransportError, type TransportErrorCode } from '../libvirt/errors.ts';
import { qemuDomainAgentCommand } from '../libvirt/procedures/agent.ts';
import { domainSetMemoryStatsPeriod } from '../libvirt/procedures/domain.ts';
import type { Procedure } from '../libvirt/procedures/procedure.ts';
import type { RpcConnection } from '../libvirt/rpc-connection.ts';
import type { DomainRef } from '../libvirt/types.ts';
import type { LibvirtTarget } from '../libvirt/uri.ts';
import type { Clock } from './clock.ts';
import { domainRunId } from './domain-run-id.ts';
import { ReconnectDelay } from './reconnect-delay.ts';
import type { WorkerBudget, WorkerLease } from './worker-budget.ts';

/**
 * Time between two attempts to open a socket that is missing or refused: such a cause usually lasts. libvirt and polkit log
 * each attempt that they refuse, so each further pause is longer. A missing socket, or one that the exporter may not open, is
 * tried each minute: libvirt does not see that.
 */
const RETRY_REFUSED_MS = 60_000;
const REFUSED_FACTOR = 8;
const LONGEST_REFUSED_MS = 3_600_000;
/** libvirt may need this time in addition to the agent's: 30 s for the agent lock, twice 5 s for guest-sync. */
const LIBVIRT_OVERHEAD_MS = 45_000;
/** virDomainModificationImpact: changes the running domain only, so the change ends with the run. */
const AFFECT_LIVE = 1;

export interface AgentConnectionOptions {
  readonly target: LibvirtTarget;
  /** Deadline of connecting, in milliseconds. */
  readonly timeoutMs: number;
  readonly onCallSent: (procedure: string) => void;
  readonly budget: WorkerBudget;
  readonly clock: Clock;
  /** Whether libvirt is connected. Without libvirt, a socket that cannot be opened is no refusal. */
  readonly isLibvirtUp: () => boolean;
  readonly log: Logger;
}

/**
 * The read-write connection, which is opened for the first command. It carries commands to guest agents and, where
 * configured, the balloon's statistics period.
 */
export class AgentConnection {
  readonly #options: AgentConnectionOptions;
  #connection: RpcConnection | undefined;
  #attempt: Promise<RpcConnection> | undefined;
  readonly #delay: ReconnectDelay;
  #refusedUntil = Number.NEGATIVE_INFINITY;
  /** Refusals by libvirt in a row. */
  #refusals = 0;
  #isRefusalLogged = false;
  #isStopped = false;

  constructor(options: AgentConnectionOptions) {
    this.#options = options;
    this.#delay = new ReconnectDelay(options.clock);
  }

  /** The read-write socket could not be opened a moment ago, and is not tried yet again: no guest can be probed. */
  get isRefused(): boolean {
    return this.#options.clock.now() < this.#refusedUntil;
  }

  /**
   * Sends one command, as JSON text, and returns the agent's reply as the guest wrote it.
   * @throws LibvirtServerError when the agent or libvirt answers with an error
   * @throws LibvirtTransportError when there is no connection, or no answer in time
   */
  async command(domain: DomainRef, command: string, timeoutSeconds: number): Promise<string> {
    const args = { domain, command, timeoutSeconds };
    const timeoutMs = timeoutSeconds * 1000 + LIBVIRT_OVERHEAD_MS;
    return (await this.#call(qemuDomainAgentCommand, args, timeoutMs)) ?? '';
  }

  /**
   * Sets the balloon's statistics period of a running domain, until the domain stops.
   * @throws as {@link AgentConnection.command}
   */
  setMemoryStatsPeriod(domain: DomainRef, seconds: number): Promise<void> {
    const args = { domain, seconds, flags: AFFECT_LIVE };
    const { timeoutMs } = this.#options;
    return this.#call(domainSetMemoryStatsPeriod, args, timeoutMs, domainRunId(domain));
  }

  /** libvirt was reconnected, perhaps with another configuration: an earlier refusal no longer counts. */
  retry(): void {
    this.#refusedUntil = Number.NEGATIVE_INFINITY;
    this.#refusals = 0;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    const connection = this.#connection;
    if (connection !== undefined) await closeConnection(connection);
  }

  /** `run`: the run whose QEMU the call waits for, if it waits for one. */
  async #call<Args, Reply>(
    procedure: Procedure<Args, Reply>,
    args: Args,
    timeoutMs: number,
    run?: string,
  ): Promise<Reply> {
    const { clock } = this.#options;
    const deadline = clock.now() + timeoutMs;
    const lease = await this.#acquire(procedure.name, timeoutMs);
    let answer: Promise<Reply>;
    try {
      const connection = await this.#connected();
      answer = connection.send(procedure, args);
    } catch (error) {
      lease.release();
      throw error;
    }
    // The daemon works on the call until it answers, also after the caller's deadline.
    answer.then(
      () => {
        this.#delay.used();
        lease.release();
      },
      (error: unknown) => (error instanceof LibvirtTransportError ? lease.orphan(run) : lease.release()),
    );
    const message = `${procedure.name}: no answer within ${timeoutMs} ms`;
    return this.#within(answer, deadline - clock.now(), 'ERR_LIBVIRT_TIMEOUT', message);
  }

  /** Waits for a worker. A timeout means that calls to other guests hold all workers for agents. */
  async #acquire(procedure: string, timeoutMs: number): Promise<WorkerLease> {
    const lease = this.#options.budget.acquire({ use: 'agent' });
    const message = `${procedure}: not sent, as calls to other guest agents have had no answer for ${timeoutMs} ms`;
    try {
      return await this.#within(lease, timeoutMs, 'ERR_LIBVIRT_UNRESPONSIVE', message);
    } catch (error) {
      lease.then(
        ({ release }) => release(),
        () => undefined,
      );
      throw error;
    }
  }

  #within<T>(promise: Promise<T>, ms: number, code: TransportErrorCode, message: string): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const cancel = this.#options.clock.after(ms, () => reject(new LibvirtTransportError(code, message)));
      promise.then(resolve, reject).finally(cancel);
    });
  }

  async #connected(): Promise<RpcConnection> {
    if (this.#connection?.isOpen === true) return this.#connection;
    if (this.#isStopped) throw stopping();
    if (!this.#options.isLibvirtUp())
      throw new LibvirtTransportError('ERR_LIBVIRT_CONNECT', 'libvirt is not connected');
    if (this.isRefused) {
      const message = 'the read-write socket could not be opened a while ago; the next attempt waits';
      throw new LibvirtTransportError('ERR_LIBVIRT_CONNECT', message);
    }
    if (this.#delay.remainingMs > 0) {
      const message = 'the last read-write connection ended soon after it was opened; the next attempt waits';
      throw new LibvirtTransportError('ERR_LIBVIRT_CONNECT', message);
    }
    this.#attempt ??= this.#connect().finally(() => {
      this.#attempt = undefined;
    });
    return this.#attempt;
  }

  #pauseAfter(error: unknown): number {
    if (!isRefusedByLibvirt(error)) return RETRY_REFUSED_MS;
    const pauseMs = Math.min(LONGEST_REFUSED_MS, RETRY_REFUSED_MS * REFUSED_FACTOR ** this.#refusals);
    this.#refusals += 1;
    return pauseMs;
  }

  async #connect(): Promise<RpcConnection> {
    const { target, timeoutMs, onCallSent, isLibvirtUp, clock, log } = this.#options;
    try {
      const connection = await openConnection({
        socketPaths: target.readWriteSockets,
        connectName: target.connectName,
        readOnly: false,
        timeoutMs,
        onClose: () => this.#delay.failed(),
        onCallSent,
        onEvent: () => undefined,
      });
      if (this.#isStopped) {
        await closeConnection(connection);
        throw stopping();
      }
      this.#connection = connection;
      this.#delay.connected();
      if (this.#isRefusalLogged) log.info('the read-write socket is open again: guests are probed again');
      this.#isRefusalLogged = false;
      this.#refusals = 0;
      return connection;
    } catch (error) {
      if (this.#isStopped || !isLibvirtUp()) throw error;
      this.#refusedUntil = clock.now() + this.#pauseAfter(error);
      if (!this.#isRefusalLogged) {
        this.#isRefusalLogged = true;
        log.warn(
          { err: error },
          'the read-write socket cannot be opened: values from inside guests are missing',
        );
      }
      throw error;
    }
  }
}

function isRefusedByLibvirt(error: unknown): boolean {
  if (error instanceof LibvirtServerError) return true;
  if (!(error instanceof LibvirtTransportError)) return false;
  return error.code === 'ERR_LIBVIRT_AUTH_DENIED' || error.code === 'ERR_LIBVIRT_AUTH_UNSUPPORTED';
}

function stopping(): LibvirtTransportError {
  return new LibvirtTransportError('ERR_LIBVIRT_CLOSED', 'the exporter is stopping');
}
