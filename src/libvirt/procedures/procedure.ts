import { Program } from '../frame.ts';
import type { XdrReader, XdrWriter } from '../xdr.ts';

/** One remote procedure: where it lives and how its arguments and reply are laid out. */
export interface Procedure<Args, Reply> {
  readonly program: number;
  readonly number: number;
  /** libvirt's own name, for logs, metrics and errors. */
  readonly name: string;
  readonly encode: (out: XdrWriter, args: Args) => void;
  readonly decode: (reply: XdrReader) => Reply;
}

/** A procedure of libvirt's main program. */
export function remote<Args, Reply>(
  name: string,
  number: number,
  encode: (out: XdrWriter, args: Args) => void,
  decode: (reply: XdrReader) => Reply,
): Procedure<Args, Reply> {
  return { program: Program.remote, number, name, encode, decode };
}

/** The layout of arguments or of a reply that holds nothing. */
export const nothing = (): void => undefined;
