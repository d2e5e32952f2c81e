import { LibvirtTransportError } from '../libvirt/errors.ts';
import type { DomainEvent } from '../libvirt/events.ts';
import type { LibvirtTarget } from '../libvirt/uri.ts';
import type { Clock } from './clock.ts';
import { EventClient } from './event-client.ts';
import { ReconnectDelay } from './reconnect-delay.ts';
import { isRefusal, RestartDetector, readSocketTraces } from './restart-detector.ts';

/** An outage is over when the connection has lasted for this long. */
const RECOVERED_MS = 2_000;

export interface EventConnectionOptions {
  readonly target: LibvirtTarget;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly onDomainEvent: (event: DomainEvent) => void;
  /** Called for each new connection, once subscribed to events. Changes since the last connection were not announced. */
  readonly onConnected: (client: EventClient) => void;
  /** Called before `onConnected` when the daemon was restarted since the last connection. */
  readonly onDaemonRestarted: () => void;
  /** Called once per outage, when the connection is lost or the first attempt fails. */
  readonly onDisconnected: (reason: Error) => void;
  /** Called when the outage that `onDisconnected` reported is over. */
  readonly onRecovered: () => void;
  readonly onCallSent: (procedure: string) => void;
}

/**
 * Keeps the event connection open for as long as the exporter runs. Reconnects with growing pauses, and at once for a
 * scrape, so that the first scrape after the daemon's restart succeeds.
 */
export class EventConnection {
  readonly #options: EventConnectionOptions;
  readonly #delay: ReconnectDelay;
  readonly #restarts = new RestartDetector();
  #client: EventClient | undefined;
  #attempt: Promise<EventClient> | undefined;
  #lastReason = new LibvirtTransportError('ERR_LIBVIRT_CONNECT', 'not connected yet') as Error;
  #cancelRetry = (): void => undefined;
  #isOutage = false;
  #isStopped = false;

  constructor(options: EventConnectionOptions) {
    this.#options = options;
    this.#delay = new ReconnectDelay(options.clock);
  }

  /** Starts connecting in the background; returns at once. */
  start(): void {
    this.#connectOnce().catch(() => undefined);
  }

  get isConnected(): boolean {
    return this.current !== undefined;
  }

  /** The connected client; undefined without a connection. Does not connect. */
  get current(): EventClient | undefined {
    return this.#client?.isOpen === true ? this.#client : undefined;
  }

  /**
   * Returns the connected client; connects first when there is no connection.
   * @throws LibvirtTransportError when libvirt cannot be reached now
   */
  async connected(): Promise<EventClient> {
    if (this.#client?.isOpen === true) return this.#client;
    if (this.#attempt === undefined && this.#delay.isFlapping && !(await this.#hasNewSocket())) {
      // A daemon that accepts connections and then fails must not get a new one for each scrape.
      throw this.#lastReason;
    }
    return this.#connectOnce();
  }

  /** libvirt has answered a listing over this connection: the next outage begins with the shortest pause. */
  confirm(): void {
    this.#delay.used();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelRetry();
    await this.#client?.close();
  }

  /** A daemon without socket activation makes a new socket when it starts: connections of before say nothing about it. */
  async #hasNewSocket(): Promise<boolean> {
    return this.#restarts.isRestarted(await readSocketTraces(this.#options.target.readOnlySockets));
  }

  #connectOnce(): Promise<EventClient> {
    this.#attempt ??= this.#connect().finally(() => {
      this.#attempt = undefined;
    });
    return this.#attempt;
  }

  async #connect(): Promise<EventClient> {
    if (this.#isStopped) throw stopping();
    this.#cancelRetry();
    const { target, timeoutMs, onDomainEvent, onCallSent } = this.#options;
    try {
      const sockets = await readSocketTraces(target.readOnlySockets);
      const client = await EventClient.connect({
        target,
        timeoutMs,
        onDomainEvent,
        onCallSent,
        onClose: (reason) => this.#lost(reason),
      });
      if (this.#isStopped) {
        await client.close();
        throw stopping();
      }
      if (!client.isOpen)
        throw new LibvirtTransportError(
          'ERR_LIBVIRT_CLOSED',
          'libvirt closed the connection right after the handshake',
        );
      this.#client = client;
      this.#delay.connected();
      if (this.#restarts.connected({ sockets, callbackIds: client.callbackIds }))
        this.#options.onDaemonRestarted();
      this.#options.onConnected(client);
      this.#recoverLater(client);
      return client;
    } catch (cause) {
      const reason = cause instanceof Error ? cause : new Error(String(cause));
      this.#restarts.attemptFailed(reason);
      this.#failed(reason);
      throw reason;
    }
  }

  #recoverLater(client: EventClient): void {
    if (!this.#isOutage) return;
    this.#options.clock.after(RECOVERED_MS, () => {
      if (this.#client !== client || !client.isOpen || !this.#isOutage) return;
      this.#isOutage = false;
      this.#options.onRecovered();
    });
  }

  #lost(reason: LibvirtTransportError): void {
    if (this.#client === undefined) return; // #connect reports a connection that ends during its handshake
    this.#client = undefined;
    if (!this.#isStopped) this.#failed(reason);
  }

  #failed(reason: Error): void {
    this.#lastReason = reason;
    if (this.#isStopped) return;
    if (!this.#isOutage) {
      this.#isOutage = true;
      this.#options.onDisconnected(reason);
    }
    this.#cancelRetry();
    const pauseMs = this.#delay.failed(isRefusal(reason));
    this.#cancelRetry = this.#options.clock.after(pauseMs, () => this.start());
  }
}

function stopping(): LibvirtTransportError {
  return new LibvirtTransportError('ERR_LIBVIRT_CLOSED', 'the exporter is stopping');
}
