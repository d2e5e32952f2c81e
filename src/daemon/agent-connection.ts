import type { Logger } from 'pino';
import { closeConnection, openConnection } from '../libvirt/connect.ts';
import { LibvirtTransportError, type TransportErrorCode } from '../libvirt/errors.ts';
import { qemuDomainAgentCommand } from '../libvirt/procedures/agent.ts';
import { domainSetMemoryStatsPeriod } from '../libvirt/procedures/domain.ts';
import type { Procedure } from '../libvirt/procedures/procedure.ts';
import type { RpcConnection } from '../libvirt/rpc-connection.ts';
import type { DomainRef } from '../libvirt/types.ts';
import type { LibvirtTarget } from '../libvirt/uri.ts';
import type { Clock } from './clock.ts';
import { ReconnectDelay } from './reconnect-delay.ts';
import type { WorkerBudget, WorkerLease } from './worker-budget.ts';

/** A missing socket or a refusal lasts for long; one attempt in this time notices the change. */
const RETRY_REFUSED_MS = 60_000;
/** What libvirt may need beside the agent's own time: 30 s for the agent lock, twice 5 s to synchronise. */
const LIBVIRT_OVERHEAD_MS = 45_000;
/** virDomainModificationImpact: the running domain alone, so that nothing stays behind after its stop. */
const AFFECT_LIVE = 1;

export interface AgentConnectionOptions {
  readonly target: LibvirtTarget;
  /** Deadline of connecting, in milliseconds. */
  readonly timeoutMs: number;
  readonly onCallSent: (procedure: string) => void;
  readonly budget: WorkerBudget;
  readonly clock: Clock;
  /** While libvirt itself is away, that its socket cannot be opened is no refusal. */
  readonly isLibvirtUp: () => boolean;
  readonly log: Logger;
}

/**
 * The read-write connection, opened when a guest is to be probed and not before. It carries commands to guest agents, and the
 * balloon's period where that is configured.
 */
export class AgentConnection {
  readonly #options: AgentConnectionOptions;
  #connection: RpcConnection | undefined;
  #attempt: Promise<RpcConnection> | undefined;
  readonly #delay: ReconnectDelay;
  #refusedUntil = Number.NEGATIVE_INFINITY;
  #isRefusalLogged = false;
  #isStopped = false;

  constructor(options: AgentConnectionOptions) {
    this.#options = options;
    this.#delay = new ReconnectDelay(options.clock);
  }

  /** libvirt refused the read-write socket a moment ago: guests cannot be probed now. */
  get isRefused(): boolean {
    return this.#options.clock.now() < this.#refusedUntil;
  }

  /**
   * Sends one command, as JSON text, and returns the agent's reply as the guest wrote it.
   * @throws LibvirtServerError when the agent, or libvirt on its behalf, answers with an error
   * @throws LibvirtTransportError when there is no connection or libvirt gives no answer
   */
  async command(domain: DomainRef, command: string, timeoutSeconds: number): Promise<string> {
    const args = { domain, command, timeoutSeconds };
    const timeoutMs = timeoutSeconds * 1000 + LIBVIRT_OVERHEAD_MS;
    return (await this.#call(qemuDomainAgentCommand, args, timeoutMs)) ?? '';
  }

  /**
   * Has the balloon driver of a running domain send statistics every so many seconds, until the domain stops.
   * @throws as {@link AgentConnection.command}
   */
  setMemoryStatsPeriod(domain: DomainRef, seconds: number): Promise<void> {
    const args = { domain, seconds, flags: AFFECT_LIVE };
    return this.#call(domainSetMemoryStatsPeriod, args, this.#options.timeoutMs);
  }

  /** libvirt is there anew, perhaps with another configuration: a refusal of before no longer counts. */
  retry(): void {
    this.#refusedUntil = Number.NEGATIVE_INFINITY;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    const connection = this.#connection;
    if (connection !== undefined) await closeConnection(connection);
  }

  async #call<Args, Reply>(procedure: Procedure<Args, Reply>, args: Args, timeoutMs: number): Promise<Reply> {
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
    // The daemon works on the call until it answers, however long the caller waits.
    answer.then(
      () => {
        this.#delay.used();
        lease.release();
      },
      (error: unknown) => (error instanceof LibvirtTransportError ? lease.orphan() : lease.release()),
    );
    const message = `${procedure.name}: no answer within ${timeoutMs} ms`;
    return this.#within(answer, deadline - clock.now(), 'ERR_LIBVIRT_TIMEOUT', message);
  }

  /** Says nothing about the domain: other calls hold the workers that agents may use. */
  async #acquire(procedure: string, timeoutMs: number): Promise<WorkerLease> {
    const lease = this.#options.budget.acquire({ use: 'agent' });
    const message = `${procedure}: other calls to agents have had no answer for ${timeoutMs} ms; it was not sent`;
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
      throw new LibvirtTransportError('ERR_LIBVIRT_CONNECT', 'libvirt is away');
    if (this.isRefused) {
      const message = 'the read-write socket was refused a moment ago';
      throw new LibvirtTransportError('ERR_LIBVIRT_CONNECT', message);
    }
    if (this.#delay.remainingMs > 0) {
      const message = 'the last read-write connection ended at once; waiting before the next attempt';
      throw new LibvirtTransportError('ERR_LIBVIRT_CONNECT', message);
    }
    this.#attempt ??= this.#connect().finally(() => {
      this.#attempt = undefined;
    });
    return this.#attempt;
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
      if (this.#isRefusalLogged) log.info('the read-write socket is open again: guests are probed');
      this.#isRefusalLogged = false;
      return connection;
    } catch (error) {
      if (this.#isStopped || !isLibvirtUp()) throw error;
      this.#refusedUntil = clock.now() + RETRY_REFUSED_MS;
      if (!this.#isRefusalLogged) {
        this.#isRefusalLogged = true;
        log.warn(
          { err: error },
          'the read-write socket cannot be opened: guests are not probed; nothing else is affected',
        );
      }
      throw error;
    }
  }
}

function stopping(): LibvirtTransportError {
  return new LibvirtTransportError('ERR_LIBVIRT_CLOSED', 'the exporter is stopping');
}
