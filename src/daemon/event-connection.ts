import { LibvirtTransportError } from '../libvirt/errors.ts';
import type { DomainEvent } from '../libvirt/events.ts';
import type { LibvirtTarget } from '../libvirt/uri.ts';
import { LibvirtClient } from './event-client.ts';

const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 15_000;

export interface SessionOptions {
  readonly target: LibvirtTarget;
  readonly timeoutMs: number;
  readonly onDomainEvent: (event: DomainEvent) => void;
  /** A new connection stands, subscribed to events; whatever was known before may have changed unseen. */
  readonly onConnected: (client: LibvirtClient) => void;
  /** The connection is lost, or a first one could not be had. Not repeated for the attempts that follow. */
  readonly onDisconnected: (reason: Error) => void;
  readonly onCallSent: (procedure: string) => void;
}

/**
 * Keeps one libvirt connection alive for as long as the exporter runs. It reconnects by itself with growing,
 * jittered pauses, and at once when a scrape asks for a client, so that a scrape after the daemon's return
 * never finds it missing.
 */
export class LibvirtSession {
  readonly #options: SessionOptions;
  #client: LibvirtClient | undefined;
  #attempt: Promise<LibvirtClient> | undefined;
  #retryTimer: NodeJS.Timeout | undefined;
  #failures = 0;
  #stopped = false;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** Starts connecting in the background; returns at once. */
  start(): void {
    this.connected().catch(() => undefined);
  }

  get isConnected(): boolean {
    return this.current !== undefined;
  }

  /** Connected, and no call is left unanswered past its deadline. */
  get isAnswering(): boolean {
    return this.current?.isAnswering === true;
  }

  /** The client, if there is one just now; asks for none. */
  get current(): LibvirtClient | undefined {
    return this.#client?.isOpen === true ? this.#client : undefined;
  }

  /**
   * The connected client; connects first when there is none.
   * @throws LibvirtTransportError when libvirt cannot be reached now
   */
  connected(): Promise<LibvirtClient> {
    if (this.#client?.isOpen === true) return Promise.resolve(this.#client);
    this.#attempt ??= this.#connect().finally(() => {
      this.#attempt = undefined;
    });
    return this.#attempt;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#retryTimer);
    await this.#client?.close();
  }

  async #connect(): Promise<LibvirtClient> {
    if (this.#stopped) throw new LibvirtTransportError('ERR_LIBVIRT_CLOSED', 'the exporter is stopping');
    clearTimeout(this.#retryTimer);
    try {
      const client = await LibvirtClient.connect({
        target: this.#options.target,
        timeoutMs: this.#options.timeoutMs,
        onDomainEvent: this.#options.onDomainEvent,
        onCallSent: this.#options.onCallSent,
        onClose: (reason) => this.#lost(reason),
      });
      if (this.#stopped) {
        await client.close();
        throw new LibvirtTransportError('ERR_LIBVIRT_CLOSED', 'the exporter is stopping');
      }
      if (!client.isOpen) throw new LibvirtTransportError('ERR_LIBVIRT_CLOSED', 'libvirt hung up at once');
      this.#client = client;
      this.#failures = 0;
      this.#options.onConnected(client);
      return client;
    } catch (cause) {
      const reason = cause instanceof Error ? cause : new Error(String(cause));
      if (this.#failures === 0) this.#options.onDisconnected(reason);
      this.#scheduleRetry();
      throw reason;
    }
  }

  #lost(reason: LibvirtTransportError): void {
    if (this.#client === undefined) return; // closed during the handshake: #connect reports it
    this.#client = undefined;
    if (this.#stopped) return;
    this.#options.onDisconnected(reason);
    this.#scheduleRetry();
  }

  #scheduleRetry(): void {
    if (this.#stopped) return;
    const ceiling = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 16);
    clearTimeout(this.#retryTimer);
    const pause = ceiling / 2 + (Math.random() * ceiling) / 2;
    this.#retryTimer = setTimeout(() => this.start(), pause);
  }
}
