import { encodeGuestCommand, type GuestCommand, type GuestFile } from './commands.ts';
import { parseFileOpen, parseFileRead } from './replies.ts';
import { endsProbe, unavailableReason } from './unavailable-reason.ts';

/** Sends one encoded command to one guest and returns the reply as the guest wrote it. */
export type SendCommand = (command: string) => Promise<string>;

/** Small enough that its reply stays far below libvirt's limits, large enough for any file but /proc/stat. */
const CHUNK_BYTES = 32 * 1024;
const MAX_FILE_BYTES = 256 * 1024;
/** A reply may hold less than was asked for: an endless file in single bytes would take for ever. */
const MAX_READS = 16;
/** An agent that fails to close handles is asked again; what it cannot be asked is given up. */
const MAX_UNCLOSED = 64;

/** The probe's time is over: nothing more is asked, whatever the agent would still answer. */
export class GuestOverdueError extends Error {
  override readonly name = 'GuestOverdueError';
  readonly code = 'ERR_GUEST_OVERDUE';
}

/** One guest's agent during one probe, with the file handles it still has open for us. */
export class GuestAgent {
  readonly #send: SendCommand;
  readonly #unclosed: Set<number>;
  #deadline: number;

  /**
   * `unclosed` outlives the agent object: handles that a former probe could not close. After `deadline`
   * (performance.now() milliseconds) handles are closed and nothing else is asked.
   */
  constructor(send: SendCommand, unclosed: Set<number>, deadline = Number.POSITIVE_INFINITY) {
    this.#send = send;
    this.#unclosed = unclosed;
    this.#deadline = deadline;
  }

  /** Ends the probe at the next command. */
  expire(): void {
    this.#deadline = Number.NEGATIVE_INFINITY;
  }

  async ask(command: GuestCommand): Promise<string> {
    const closes = command.execute === 'guest-file-close';
    if (!closes && performance.now() > this.#deadline) {
      throw new GuestOverdueError("the probe's time is over");
    }
    return this.#send(encodeGuestCommand(command));
  }

  /**
   * Closes what an earlier probe had to leave open.
   * @throws the first error after which asking on is of no use: each handle would cost a silent agent's timeout
   */
  async closeLeftOpen(): Promise<void> {
    for (const handle of [...this.#unclosed]) {
      if (performance.now() > this.#deadline) return;
      const error = await this.#close(handle);
      if (error === undefined) continue;
      const reason = unavailableReason(error);
      if (reason === undefined || endsProbe(reason)) throw error;
    }
  }

  /** Whether a file can be opened; it is closed again unread. */
  async exists(path: GuestFile): Promise<boolean> {
    await this.#close(await this.#open(path));
    return true;
  }

  /** The file's beginning, at most 256 KiB, however endless the guest says it is. */
  async readFile(path: GuestFile): Promise<string> {
    const handle = await this.#open(path);
    try {
      const chunks: Buffer[] = [];
      let total = 0;
      for (let reads = 0; reads < MAX_READS && total < MAX_FILE_BYTES; reads++) {
        const command = { execute: 'guest-file-read', arguments: { handle, count: CHUNK_BYTES } } as const;
        const { bytes, count, eof } = parseFileRead(await this.ask(command), CHUNK_BYTES);
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
      await this.ask({ execute: 'guest-file-open', arguments: { path, mode: 'r' } }),
    );
    if (this.#unclosed.size < MAX_UNCLOSED) this.#unclosed.add(handle);
    return handle;
  }

  /**
   * Returns what went wrong and never throws: the reading itself decides what a probe is worth. A handle that
   * stays open is kept in mind.
   */
  async #close(handle: number): Promise<unknown> {
    try {
      await this.ask({ execute: 'guest-file-close', arguments: { handle } });
      this.#unclosed.delete(handle);
      return undefined;
    } catch (error) {
      // Not this guest's any more (its agent restarted): nothing is left to close.
      if (error instanceof Error && /has not been found|not found/.test(error.message))
        this.#unclosed.delete(handle);
      return error;
    }
  }
}
