import { truncate, writeFile } from 'node:fs/promises';
import type { GuestSpec } from './domain-xml.ts';
import { bootSector, haltedGuest } from './halted-guest.ts';

/** Writes one sector of each cylinder of its disk with the BIOS, again and again, and goes on after an error. */
const WRITE = `
  31 c0 8e d8 8e c0 8e d0  # ds = es = ss = 0
  bc 00 7c                 # sp = 0x7c00
  b5 01                    # from cylinder 1
  b8 01 03                 # BIOS: write one sector
  bb 00 7c                 #   from 0x7c00
  b1 01 ba 80 00 cd 13     #   to the cylinder's first sector
  fe c5 eb ef              # the next cylinder`;

/** 260 cylinders by the BIOS. */
const IMAGE_BYTES = 128 * 1024 * 1024;

/** A small domain that writes to its disk `vda`; {@link makeWrittenImage} makes the image. */
export function writingGuest(name: string, image: string, changes: Partial<GuestSpec> = {}): GuestSpec {
  return haltedGuest(name, {
    vcpus: 1,
    disk: undefined,
    extraDevicesXml: `<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='${image}'/>
      <target dev='vda' bus='virtio'/></disk>`,
    ...changes,
  });
}

/** Makes the sparse image of a {@link writingGuest}, which takes 1 MiB of a file system's space once all is written. */
export async function makeWrittenImage(path: string): Promise<void> {
  await writeFile(path, bootSector(WRITE));
  await truncate(path, IMAGE_BYTES);
}
