import { LibvirtTransportError } from '../libvirt/errors.ts';
import type { RpcConnection } from '../libvirt/rpc-connection.ts';
import type { Clock } from './clock.ts';
import { type ConnectionAge, ReconnectDelay } from './reconnect-delay.ts';

/** The part of {@link RpcConnection} that the call pool uses. */
export type PoolConnection = Pick<RpcConnection, 'send' | 'room' | 'isOpen'>;

/** Events of a connection that the call pool handles. */
interface PoolConnectionEvents {
  readonly onClose: (reason: LibvirtTransportError) => void;
}

export type OpenPoolConnection = (
  events: PoolConnectionEvents,
) => Promise<{ readonly connection: PoolConnection; readonly close: () => Promise<void> }>;

/** A connection that has no calls and is not needed is closed after this time; the next scrapes may need it. */
const SPARE_MS = 30_000;
/** A call waits for a pause before the next attempt to connect only if the pause is this short. */
const LONGEST_WAIT_MS = 500;
/** Most attempts for one call, when the daemon closes each connection at once. */
const MAX_ATTEMPTS = 3;

interface Entry {
  readonly connection: PoolConnection;
  readonly close: () => Promise<void>;
  readonly age: ConnectionAge;
  calls: number;
  cancelSpare: (() => void) | undefined;
}

/** Opens connections as calls need them: a connection carries at most four unanswered calls. */
export class PoolConnections {
  readonly #open: OpenPoolConnection;
  readonly #clock: Clock;
  readonly #delay: ReconnectDelay;
  #entries: Entry[] = [];
  #opening: Promise<void> | undefined;
  #isStopped = false;

  constructor(open: OpenPoolConnection, clock: Clock) {
    this.#open = open;
    this.#clock = clock;
    this.#delay = new ReconnectDelay(clock);
  }

  /**
   * Sends a call over a connection with room, or over a new one. Calls `onSent` when the call is sent.
   * @throws LibvirtTransportError when no connection can be opened, or it ends before the answer
   * @throws LibvirtServerError when libvirt answers with an error
   */
  async send<Reply>(
    call: (connection: PoolConnection) => Promise<Reply>,
    onSent: () => void,
  ): Promise<Reply> {
    for (let attempts = 0; attempts <= MAX_ATTEMPTS; attempts++) {
      const entry = this.#entries.find(({ connection }) => connection.room > 0);
      // No `await` between finding room and sending: another call could use the room.
      if (entry !== undefined) return this.#sendOver(entry, call, onSent);
      this.#opening ??= this.#openOne().finally(() => {
        this.#opening = undefined;
      });
      await this.#opening;
    }
    throw new LibvirtTransportError('ERR_LIBVIRT_CLOSED', 'libvirt closes each connection at once');
  }

  /** libvirt accepts connections again: the next connection is opened without a pause. */
  retry(): void {
    this.#delay.reset();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    const entries = this.#entries.splice(0);
    entries.forEach(clearSpare);
    await Promise.all(entries.map(({ close }) => close()));
  }

  async #sendOver<Reply>(
    entry: Entry,
    call: (connection: PoolConnection) => Promise<Reply>,
    onSent: () => void,
  ): Promise<Reply> {
    clearSpare(entry);
    entry.calls += 1;
    const answer = call(entry.connection);
    onSent();
    try {
      return await answer;
    } finally {
      entry.calls -= 1;
      if (entry.connection.isOpen) {
        this.#delay.used(entry.age);
        if (entry.calls === 0) this.#keepSpare(entry);
      }
    }
  }

  async #openOne(): Promise<void> {
    if (this.#isStopped) throw stopping();
    if (this.#delay.remainingMs > LONGEST_WAIT_MS) {
      const message = 'libvirt closed the last connection soon after it was opened; the next attempt waits';
      throw new LibvirtTransportError('ERR_LIBVIRT_CONNECT', message);
    }
    await new Promise<void>((resolve) => {
      if (this.#delay.remainingMs > 0) this.#clock.after(this.#delay.remainingMs, resolve);
      else resolve();
    });
    let opened: Entry | undefined;
    const onClose = (): void => {
      const entry = opened;
      if (entry === undefined) return;
      this.#entries = this.#entries.filter((other) => other !== entry);
      this.#delay.ended(entry.age);
    };
    const { connection, close } = await this.#open({ onClose }).catch((error: unknown) => {
      this.#delay.failed();
      throw error;
    });
    if (this.#isStopped) {
      await close();
      throw stopping();
    }
    opened = { connection, close, age: this.#delay.connected(), calls: 0, cancelSpare: undefined };
    if (connection.isOpen) this.#entries.push(opened);
    else onClose();
  }

  #keepSpare(entry: Entry): void {
    clearSpare(entry);
    if (this.#isStopped) return;
    entry.cancelSpare = this.#clock.after(SPARE_MS, () => {
      const isSpare = this.#entries.some((other) => other !== entry && other.connection.room > 0);
      if (entry.calls > 0 || !isSpare) return;
      this.#entries = this.#entries.filter((other) => other !== entry);
      void entry.close();
    });
  }
}

function clearSpare(entry: Entry): void {
  entry.cancelSpare?.();
  entry.cancelSpare = undefined;
}

function stopping(): LibvirtTransportError {
  return new LibvirtTransportError('ERR_LIBVIRT_CLOSED', 'the exporter is stopping');
}
