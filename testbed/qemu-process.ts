import { readFile } from 'node:fs/promises';

/** Pid of a running domain's QEMU, from the file that libvirt keeps of it. */
export async function qemuPid(name: string): Promise<number> {
  return Number(await readFile(`/run/libvirt/qemu/${name}.pid`, 'utf8'));
}

/** Stops QEMU as a hung disk or a debugger would: it holds all it has, and answers nobody. */
export async function freezeQemu(name: string): Promise<void> {
  process.kill(await qemuPid(name), 'SIGSTOP');
}

export async function thawQemu(name: string): Promise<void> {
  process.kill(await qemuPid(name), 'SIGCONT');
}
