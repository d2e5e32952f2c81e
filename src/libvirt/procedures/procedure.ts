import { Program } from '../frame.ts';
import type { XdrReader, XdrWriter } from '../xdr.ts';

/**
 * Which of the daemon's workers may run a procedure (`@priority` in remote_protocol.x). `high`: any worker; some workers
 * run only these procedures (prio_workers, 5). `low`: an ordinary worker (max_workers, 20).
 */
export type Priority = 'high' | 'low';

/** One remote procedure: its number, and the layout of its arguments and reply. */
export interface Procedure<Args, Reply> {
  readonly program: number;
  readonly number: number;
  /** libvirt's own name, for logs, metrics and errors. */
  readonly name: string;
  readonly priority: Priority;
  readonly encode: (out: XdrWriter, args: Args) => void;
  readonly decode: (reply: XdrReader) => Reply;
}

/** A procedure of libvirt's main program. */
export function remote<Args, Reply>(
  name: string,
  number: number,
  priority: Priority,
  encode: (out: XdrWriter, args: Args) => void,
  decode: (reply: XdrReader) => Reply,
): Procedure<Args, Reply> {
  return { program: Program.remote, number, name, priority, encode, decode };
}

/** Layout of empty arguments and of an empty reply. */
export const nothing = (): void => undefined;
