import { LibvirtTransportError } from '../libvirt/errors.ts';
import type { DomainEvent } from '../libvirt/events.ts';
import type { LibvirtTarget } from '../libvirt/uri.ts';
import type { Clock } from './clock.ts';
import { EventClient } from './event-client.ts';
import { ReconnectDelay } from './reconnect-delay.ts';
import { RestartDetector, readSocketTraces } from './restart-detector.ts';

/** How long a connection has to last until an outage counts as over. */
const RECOVERED_MS = 2_000;

export interface EventConnectionOptions {
  readonly target: LibvirtTarget;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly onDomainEvent: (event: DomainEvent) => void;
  /** A new connection stands, subscribed to events; whatever was known before may have changed unseen. */
  readonly onConnected: (client: EventClient) => void;
  /** Called before `onConnected` when the daemon behind the connection is another process than before. */
  readonly onDaemonRestarted: () => void;
  /** The connection is lost, or a first one could not be had. Once an outage, however many attempts it takes. */
  readonly onDisconnected: (reason: Error) => void;
  /** The connection lasts again, after `onDisconnected` was called. */
  readonly onRecovered: () => void;
  readonly onCallSent: (procedure: string) => void;
}

/**
 * Keeps the connection for events alive for as long as the exporter runs. Connects anew with growing pauses, and at once when
 * a scrape needs it, so that the first scrape after the daemon's return finds it.
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

  /** The client, if there is one just now; does not connect. */
  get current(): EventClient | undefined {
    return this.#client?.isOpen === true ? this.#client : undefined;
  }

  /**
   * The connected client; connects first when there is none.
   * @throws LibvirtTransportError when libvirt cannot be reached now
   */
  connected(): Promise<EventClient> {
    if (this.#client?.isOpen === true) return Promise.resolve(this.#client);
    // A daemon that hangs up after each handshake would see one connection a scrape.
    const isFlapping = this.#delay.failures > 1 && this.#delay.endedAfterHandshake;
    if (this.#attempt === undefined && isFlapping && this.#delay.remainingMs > 0)
      return Promise.reject(this.#lastReason);
    return this.#connectOnce();
  }

  /** libvirt has done over this connection what it is for: the next outage begins with the shortest pause. */
  confirm(): void {
    this.#delay.used();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelRetry();
    await this.#client?.close();
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
      if (!client.isOpen) throw new LibvirtTransportError('ERR_LIBVIRT_CLOSED', 'libvirt hung up at once');
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
    if (this.#client === undefined) return; // closed during the handshake: #connect reports it
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
    this.#cancelRetry = this.#options.clock.after(this.#delay.failed(), () => this.start());
  }
}

function stopping(): LibvirtTransportError {
  return new LibvirtTransportError('ERR_LIBVIRT_CLOSED', 'the exporter is stopping');
}
