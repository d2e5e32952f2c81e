import { readFile } from 'node:fs/promises';

/** Process id of a running domain's QEMU, from libvirt's pid file. */
async function qemuPid(name: string): Promise<number> {
  return Number(await readFile(`/run/libvirt/qemu/${name}.pid`, 'utf8'));
}

/** Stops QEMU (state T): it keeps its files and locks, and does not answer its monitor. */
export async function stopQemu(name: string): Promise<void> {
  process.kill(await qemuPid(name), 'SIGSTOP');
}

export async function continueQemu(name: string): Promise<void> {
  process.kill(await qemuPid(name), 'SIGCONT');
}
