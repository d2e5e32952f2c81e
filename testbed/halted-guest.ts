import type { GuestSpec } from './domain-xml.ts';

/** `cli; hlt; jmp`: a running guest that uses no processor time. */
const HALT = 'fa f4 eb fc';

/**
 * A minimal driver for a virtio console: it sends the host VIRTIO_CONSOLE_PORT_OPEN for the agent's port, sets up no
 * receive queue, and halts. libvirt sees a connected agent that never answers. It needs the I/O port of the transitional
 * device, which machine types of the `pc` family have.
 */
const OPEN_PORT = `
  fa fc                 # cli; cld
  31 c0 8e d0           # ss = 0
  bc 00 7c              # sp = 0x7c00
  b8 02 b1              # PCI BIOS: find the device
  b9 03 10 ba f4 1a     #   1af4:1003, a virtio console,
  31 f6 cd 1a           #   the first one
  0f 82 8a 00           # none: halt
  b8 0c b1 bf 04 00     # its command register:
  b9 07 00 cd 1a        #   I/O, memory, bus master
  b8 0a b1 bf 10 00     # its first base address register:
  cd 1a 83 e1 fc 89 cd  #   bp = the I/O port
  b8 00 10 8e c0        # es = 0x1000: the queue is at 0x10000
  31 ff 31 c0           # cleared:
  b9 00 10 f3 ab        #   0x1000 words
  26 c7 06 00 08 01 00  # the message, at 0x10800: port 1,
  26 c7 06 04 08 06 00  #   VIRTIO_CONSOLE_PORT_OPEN
  26 c7 06 06 08 01 00  #   = 1
  26 c7 06 00 00 00 08  # descriptor 0: address 0x10800
  26 c7 06 02 00 01 00
  26 c7 06 08 00 08 00  #   length 8
  26 c7 06 02 02 01 00  # available: one
  8d 56 12 b0 00 ee     # status: reset
  b0 03 ee              #   acknowledged, has a driver
  8d 56 04              # features:
  66 b8 02 00 00 00     #   VIRTIO_CONSOLE_F_MULTIPORT
  66 ef
  8d 56 0e b8 03 00 ef  # queue 3, control messages to the host
  8d 56 08              #   at page 0x10
  66 b8 10 00 00 00
  66 ef
  8d 56 12 b0 07 ee     # status: driver ok
  8d 56 10 b8 03 00 ef  # notify queue 3
  ${HALT}`;

/** Without a boot sector the firmware tries its boot devices again and again. */
export function bootSector(code: string): Uint8Array {
  const sector = new Uint8Array(512);
  sector.set(Buffer.from(code.replaceAll(/#.*$|\s/gm, ''), 'hex'), 0);
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
    disk: { sizeMiB: 1, content: bootSector(HALT) },
    userNetwork: true,
    balloonPeriodSeconds: 10,
    declaredOs: 'http://ubuntu.com/ubuntu/22.04',
    ...changes,
  };
}

/** A halted guest with an agent that is connected and never answers. */
export function silentGuest(name: string, changes: Partial<GuestSpec> = {}): GuestSpec {
  return haltedGuest(name, {
    agentChannel: true,
    disk: { sizeMiB: 1, content: bootSector(OPEN_PORT) },
    ...changes,
  });
}
