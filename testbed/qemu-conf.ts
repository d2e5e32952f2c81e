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
 * Lets QEMU run as root without a security driver, so that it can read disks and kernels wherever the
 * repository lies; and without a mount namespace of its own, which a container or chroot may refuse. The
 * block goes first because libvirt takes the first value that it finds for a name.
 */
export async function addRigBlock(): Promise<void> {
  const text = await readFile(FILE, 'utf8');
  const wanted = BLOCK + withoutBlock(text);
  if (text !== wanted) await writeFile(FILE, wanted);
}

/** Gives the file back as it was found. */
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
