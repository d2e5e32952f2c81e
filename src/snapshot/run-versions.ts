import { evaluateQemu, type QemuEvidence, type RunningVersion } from '../drift/qemu-version.ts';
import type { QemuProcess } from '../host/qemu-process.ts';

interface Remembered extends RunningVersion {
  readonly run: string;
}

/**
 * Remembers the QEMU version of each running process. Most evidence ends with a package upgrade: without root, only the start
 * time shows that a process runs the installed file. A process is recognized by its number and its start, so that what is
 * known outlives restarts of libvirt's daemon and steps of the clock.
 */
export class RunVersions {
  readonly #versions = new Map<string, Remembered>();

  /** What was found out about this process; undefined when nothing was, or the process cannot be seen. */
  of(uuid: string, process: QemuProcess | undefined): RunningVersion | undefined {
    const remembered = this.#versions.get(uuid);
    if (process === undefined || remembered?.run !== processId(process)) return undefined;
    const { runningVersion, source } = remembered;
    return { runningVersion, source };
  }

  /** Evaluates the evidence of now and remembers the result. */
  note(uuid: string, process: QemuProcess | undefined, evidence: Omit<QemuEvidence, 'remembered'>): void {
    if (process === undefined) return;
    const { runningVersion, source } = evaluateQemu({ ...evidence, remembered: undefined });
    if (source !== 'none') this.#versions.set(uuid, { run: processId(process), runningVersion, source });
  }

  /** Forgets all other domains. */
  keepOnly(uuids: ReadonlySet<string>): void {
    for (const uuid of this.#versions.keys()) if (!uuids.has(uuid)) this.#versions.delete(uuid);
  }
}

function processId({ pid, startAfterBootSeconds }: QemuProcess): string {
  return `${pid} ${startAfterBootSeconds}`;
}
