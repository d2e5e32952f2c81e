/** State of a file that a start needs; undefined where it cannot be seen from the exporter. */
export type FileState = 'executable' | 'not_executable' | 'missing' | undefined;

/** Causes for which the next start of a domain will fail. */
export const START_BLOCKERS = ['machine_type', 'emulator', 'firmware'] as const;
export type StartBlocker = (typeof START_BLOCKERS)[number];

export interface EmulatorEvidence {
  readonly file: FileState;
  /** Whether libvirt could run the emulator when libvirt last examined it; undefined for one that libvirt does not list. */
  readonly isAvailable: boolean | undefined;
}

/** Whether the emulator blocks the next start; undefined when unknown. */
export function emulatorBlocks({ file, isAvailable }: EmulatorEvidence): boolean | undefined {
  if (file === 'missing' || file === 'not_executable' || isAvailable === false) return true;
  return file === 'executable' || isAvailable === true ? false : undefined;
}

/** A file that the configuration names, and its state. */
export interface NamedFile {
  readonly path: string;
  readonly state: FileState;
}

export interface FirmwareEvidence {
  readonly loader: NamedFile | undefined;
  /** The domain's own variable store, and the file that libvirt copies when the store does not exist. */
  readonly nvram: NamedFile | undefined;
  readonly nvramTemplate: NamedFile | undefined;
  /** libvirt chooses the firmware at start, as far as no file is named. */
  readonly isAutomatic: boolean;
}

/** Whether a missing firmware file blocks the next start; undefined when unknown. */
export function firmwareBlocks(evidence: FirmwareEvidence): boolean | undefined {
  const { loader, nvram, nvramTemplate, isAutomatic } = evidence;
  if (loader?.state === 'missing') return true;
  const templateBlocks = templateIsMissed(nvramTemplate, nvram);
  if (templateBlocks !== false) return templateBlocks;
  // Without a file that is named, QEMU starts with the BIOS that is part of its package.
  if (loader === undefined) return isAutomatic ? undefined : false;
  return loader.state === undefined ? undefined : false;
}

/** libvirt reads the template only to make a variable store that does not exist. */
function templateIsMissed(
  template: NamedFile | undefined,
  nvram: NamedFile | undefined,
): boolean | undefined {
  if (template === undefined || exists(nvram)) return false;
  if (template.state === 'missing') return nvram?.state === 'missing' ? true : undefined;
  return template.state === undefined ? undefined : false;
}

function exists(file: NamedFile | undefined): boolean {
  return file?.state === 'executable' || file?.state === 'not_executable';
}
