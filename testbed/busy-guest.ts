import type { GuestSpec } from './domain-xml.ts';
import { bootSector, haltedGuest } from './halted-guest.ts';

/** `jmp $`: a guest that keeps one vCPU busy from its boot sector on. */
const SPIN = 'eb fe';

/** A small domain that uses all of one host processor. */
export function busyGuest(name: string, changes: Partial<GuestSpec> = {}): GuestSpec {
  return haltedGuest(name, { disk: { sizeMiB: 1, content: bootSector(SPIN) }, ...changes });
}
