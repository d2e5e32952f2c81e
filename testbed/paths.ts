import { fileURLToPath } from 'node:url';

const fromHere = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

/** Everything the rig writes outside libvirt lives here; git ignores it. */
export const STATE_DIR = fromHere('../.rig');
export const DISK_DIR = `${STATE_DIR}/disks`;
export const CONSOLE_DIR = `${STATE_DIR}/consoles`;

/** What goes into the guest's initramfs, kept as real files. */
export const GUEST_DIR = fromHere('./guest');

/**
 * Which daemons the rig started, and what they say. Not in the repository: a second clone must know them too,
 * and a `git clean` must not make them nobody's.
 */
export const RUN_DIR = '/run/libvirt-drift-exporter-rig';
