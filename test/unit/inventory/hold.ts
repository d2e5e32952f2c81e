import type { IncomingCall } from '../../support/fake-libvirtd.ts';

export interface Hold {
  readonly first: (call: IncomingCall) => boolean;
  /** Keeps the next call of the procedure, and resolves with it. */
  readonly next: () => Promise<IncomingCall>;
}

export function hold(procedure: number): Hold {
  let keep: ((call: IncomingCall) => void) | undefined;
  return {
    first: (call) => {
      if (keep === undefined || call.procedure !== procedure) return false;
      keep(call);
      keep = undefined;
      return true;
    },
    next: () =>
      new Promise((resolve) => {
        keep = resolve;
      }),
  };
}
