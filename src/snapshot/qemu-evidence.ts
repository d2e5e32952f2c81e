import type { QemuEvidence } from '../drift/qemu-version.ts';
import type { EmulatorFile } from '../host/emulator-file.ts';
import type { QemuProcess } from '../host/qemu-process.ts';

/** The part of a domain's snapshot that says which QEMU it runs on. */
export interface QemuSources {
  readonly installedVersion: string | undefined;
  readonly loggedVersion: string | undefined;
  readonly startedWithVersion: string | undefined;
  readonly startObservedSeconds: number | undefined;
  readonly process: QemuProcess | undefined;
  readonly emulatorFile: EmulatorFile | undefined;
}

/** The evidence on the QEMU of a running domain, as of one snapshot. */
export function qemuEvidence(domain: QemuSources): Omit<QemuEvidence, 'remembered'> {
  const { process, emulatorFile } = domain;
  return {
    installedVersion: domain.installedVersion,
    loggedVersion: domain.loggedVersion,
    startedWithVersion: domain.startedWithVersion,
    runsInstalledFile: runsInstalledFile(domain),
    startSeconds: process?.startSeconds ?? domain.startObservedSeconds,
    fileBornSeconds: emulatorFile?.bornSeconds,
    fileChangedSeconds: emulatorFile?.changedSeconds,
  };
}

function runsInstalledFile({ process, emulatorFile }: QemuSources): boolean | undefined {
  if (process?.binary === undefined || emulatorFile === undefined) return undefined;
  return process.binary.dev === emulatorFile.dev && process.binary.ino === emulatorFile.ino;
}
