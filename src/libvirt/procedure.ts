import type { XdrReader, XdrWriter } from './xdr.ts';

/** One remote procedure: where it lives and how its arguments and reply are laid out. */
export interface Procedure<Args, Reply> {
  readonly program: number;
  readonly number: number;
  /** libvirt's own name, for logs, metrics and errors. */
  readonly name: string;
  readonly encode: (out: XdrWriter, args: Args) => void;
  readonly decode: (reply: XdrReader) => Reply;
}
