import { encodeGuestCommand, type GuestCommand, type GuestFile } from './commands.ts';
import { parseFileOpen, parseFileRead } from './replies.ts';
import { endsProbe, unavailableReason } from './unavailable-reason.ts';

/** Sends one encoded command to one guest and returns the reply as the guest wrote it. */
export type SendCommand = (command: string) => Promise<string>;

/** Small enough that its reply stays far below libvirt's limits, large enough for any file but /proc/stat. */
const CHUNK_BYTES = 32 * 1024;
const MAX_FILE_BYTES = 256 * 1024;
/** A reply may hold fewer bytes than requested: an endless file in single bytes would take for ever. */
const MAX_READS = 16;
/** Handles that an agent failed to close and that are tried again; more are given up. */
const MAX_UNCLOSED = 64;

/** The time for the probe is over: no more commands are sent, even if the agent would still answer. */
export class ProbeTimeoutError extends Error {
  override readonly name = 'ProbeTimeoutError';
  readonly code = 'ERR_GUEST_PROBE_TIMEOUT';
}

/** One guest's agent during one probe, with the file handles that it still holds open for the exporter. */
export class GuestAgent {
  readonly #send: SendCommand;
  readonly #unclosed: Set<number>;
  readonly #now: () => number;
  #deadline: number;

  /**
   * `unclosed` outlives the agent object: it holds the handles that a former probe could not close. After `deadline`
   * (milliseconds of the clock `now`) handles are closed and no other command is sent.
   */
  constructor(
    send: SendCommand,
    unclosed: Set<number>,
    deadline = Number.POSITIVE_INFINITY,
    now = (): number => performance.now(),
  ) {
    this.#send = send;
    this.#unclosed = unclosed;
    this.#deadline = deadline;
    this.#now = now;
  }

  /** Ends the probe at the next command. */
  expire(): void {
    this.#deadline = Number.NEGATIVE_INFINITY;
  }

  /** @throws ProbeTimeoutError after the deadline, or what `send` rejects with */
  async execute(command: GuestCommand): Promise<string> {
    const closes = command.execute === 'guest-file-close';
    if (!closes && this.#now() > this.#deadline) {
      throw new ProbeTimeoutError('the time for this probe is over');
    }
    return this.#send(encodeGuestCommand(command));
  }

  /**
   * Closes the handles that an earlier probe had to leave open.
   * @throws the first error that ends a probe: each further handle would cost the timeout of a silent agent
   */
  async closeLeftOpen(): Promise<void> {
    for (const handle of [...this.#unclosed]) {
      if (this.#now() > this.#deadline) return;
      const error = await this.#close(handle);
      if (error === undefined) continue;
      const reason = unavailableReason(error);
      if (reason === undefined || endsProbe(reason)) throw error;
    }
  }

  /** Whether a file can be opened. The file is closed again unread. */
  async exists(path: GuestFile): Promise<boolean> {
    await this.#close(await this.#open(path));
    return true;
  }

  /** The beginning of the file, at most 256 KiB. */
  async readFile(path: GuestFile): Promise<string> {
    const handle = await this.#open(path);
    try {
      const chunks: Buffer[] = [];
      let total = 0;
      for (let reads = 0; reads < MAX_READS && total < MAX_FILE_BYTES; reads++) {
        const command = { execute: 'guest-file-read', arguments: { handle, count: CHUNK_BYTES } } as const;
        const { bytes, count, eof } = parseFileRead(await this.execute(command), CHUNK_BYTES);
        chunks.push(bytes);
        total += count;
        if (eof || count === 0) break;
      }
      return Buffer.concat(chunks).toString('utf8');
    } finally {
      await this.#close(handle);
    }
  }

  async #open(path: GuestFile): Promise<number> {
    const handle = parseFileOpen(
      await this.execute({ execute: 'guest-file-open', arguments: { path, mode: 'r' } }),
    );
    if (this.#unclosed.size < MAX_UNCLOSED) this.#unclosed.add(handle);
    return handle;
  }

  /**
   * Returns the error instead of throwing it: a file that was read is worth its content even if it stays open. Such a
   * handle stays in `unclosed`.
   */
  async #close(handle: number): Promise<unknown> {
    try {
      await this.execute({ execute: 'guest-file-close', arguments: { handle } });
      this.#unclosed.delete(handle);
      return undefined;
    } catch (error) {
      // An agent that was restarted does not know the handle: nothing is left to close.
      if (error instanceof Error && /has not been found|not found/.test(error.message))
        this.#unclosed.delete(handle);
      return error;
    }
  }
}
