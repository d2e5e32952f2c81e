import { readFile, writeFile } from 'node:fs/promises';

const FILE = '/etc/libvirt/qemu.conf';
const BEGIN = '# begin libvirt-drift-exporter rig';
const END = '# end libvirt-drift-exporter rig';
const BLOCK = `${BEGIN}
user = "root"
group = "root"
security_driver = "none"
namespaces = []
${END}
`;

/**
 * Lets QEMU run as root without a security driver, so that QEMU can read disks and kernels in the repository wherever the
 * repository is; and without a mount namespace, which a container or chroot may refuse. The block is first in the file
 * because libvirt uses the first value of a name.
 */
export async function addRigBlock(): Promise<void> {
  const text = await readFile(FILE, 'utf8');
  const wanted = BLOCK + withoutBlock(text);
  if (text !== wanted) await writeFile(FILE, wanted);
}

/** Restores the file. */
export async function removeRigBlock(): Promise<void> {
  const text = await readFile(FILE, 'utf8').catch(() => '');
  const wanted = withoutBlock(text);
  if (text !== wanted) await writeFile(FILE, wanted);
}

function withoutBlock(text: string): string {
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END, begin);
  if (begin < 0 || end < 0) return text;
  return text.slice(0, begin) + text.slice(end + END.length + 1);
}
