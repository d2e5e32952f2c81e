import type { GuestSpec } from './domain-xml.ts';

/**
 * `cli; hlt; jmp hlt`: a guest that runs and costs no processor time. Without a boot sector the firmware
 * would try its boot devices for ever.
 */
function haltedBootSector(): Uint8Array {
  const sector = new Uint8Array(512);
  sector.set([0xfa, 0xf4, 0xeb, 0xfd], 0);
  sector.set([0x55, 0xaa], 510);
  return sector;
}

/** A small domain that runs, does nothing, and has one of everything: two vCPUs, a disk, an interface. */
export function haltedGuest(name: string, changes: Partial<GuestSpec> = {}): GuestSpec {
  return {
    name,
    machine: 'pc',
    memoryMiB: 16,
    vcpus: 2,
    disk: { sizeMiB: 1, content: haltedBootSector() },
    userNetwork: true,
    balloonPeriodSeconds: 10,
    declaredOs: 'http://ubuntu.com/ubuntu/22.04',
    ...changes,
  };
}
