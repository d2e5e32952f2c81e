import type { Logger } from 'pino';
import { LibvirtTransportError } from '../libvirt/errors.ts';
import { AgentClient, type AgentClientOptions } from './agent-client.ts';

/** A missing socket or a refusal stays for long; asking once in this time finds the day it changes. */
const RETRY_REFUSED_MS = 60_000;

export interface GuestSessionOptions extends Omit<AgentClientOptions, 'onClose'> {
  /** While libvirt itself is away, that guests cannot be asked is no refusal. */
  readonly isLibvirtUp: () => boolean;
  readonly log: Logger;
}

/** Keeps the connection to guest agents, opened when a guest is to be probed and not before. */
export class GuestSession {
  readonly #options: GuestSessionOptions;
  #client: AgentClient | undefined;
  #attempt: Promise<AgentClient> | undefined;
  #refusedUntil = Number.NEGATIVE_INFINITY;
  #warned = false;

  constructor(options: GuestSessionOptions) {
    this.#options = options;
  }

  /** The way in is known to be closed: guests cannot be asked now. */
  get isRefused(): boolean {
    return performance.now() < this.#refusedUntil;
  }

  /** @throws LibvirtTransportError or LibvirtServerError when there is no way in */
  async connected(): Promise<AgentClient> {
    if (this.#client?.isOpen === true) return this.#client;
    if (!this.#options.isLibvirtUp()) {
      throw new LibvirtTransportError('ERR_LIBVIRT_CONNECT', 'libvirt is away');
    }
    if (this.isRefused) {
      throw new LibvirtTransportError(
        'ERR_LIBVIRT_CONNECT',
        'the read-write socket was refused a moment ago',
      );
    }
    this.#attempt ??= this.#connect().finally(() => {
      this.#attempt = undefined;
    });
    return this.#attempt;
  }

  /** libvirt is there anew, perhaps with another configuration: a refusal of before no longer counts. */
  retry(): void {
    this.#refusedUntil = Number.NEGATIVE_INFINITY;
  }

  async stop(): Promise<void> {
    this.#refusedUntil = Number.POSITIVE_INFINITY;
    await this.#client?.close();
  }

  async #connect(): Promise<AgentClient> {
    try {
      this.#client = await AgentClient.connect({ ...this.#options, onClose: () => undefined });
      if (this.#warned) this.#options.log.info('guests can be asked again');
      this.#warned = false;
      return this.#client;
    } catch (error) {
      if (!this.#options.isLibvirtUp()) throw error;
      this.#refusedUntil = performance.now() + RETRY_REFUSED_MS;
      if (!this.#warned) {
        this.#warned = true;
        this.#options.log.warn(
          { err: error },
          'guests cannot be asked: no way in through the read-write socket; everything else goes on',
        );
      }
      throw error;
    }
  }
}
