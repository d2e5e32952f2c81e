import { fileURLToPath } from 'node:url';

const fromHere = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

export const ROOT = fromHere('../');
/** Everything that the rig writes outside libvirt. git ignores the folder. */
export const STATE_DIR = `${ROOT}.rig`;
export const DISK_DIR = `${STATE_DIR}/disks`;
export const CONSOLE_DIR = `${STATE_DIR}/consoles`;

/** The files of the guest's initramfs. */
export const GUEST_DIR = fromHere('./guest');

/**
 * Process ids and logs of the daemons that the rig started. Not in the repository: another clone finds the daemons as
 * well, and `git clean` does not remove the record.
 */
export const RUN_DIR = '/run/libvirt-drift-exporter-rig';
