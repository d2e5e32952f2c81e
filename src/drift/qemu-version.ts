/** All that is known of the QEMU that a domain runs on and of the installed one. */
export interface QemuEvidence {
  /**
   * Version of the file at the domain's emulator path; undefined when libvirt does not report the version, or has not
   * examined the file since the file was replaced.
   */
  readonly installedVersion: string | undefined;
  /** Version that the domain's log has for this start. */
  readonly loggedVersion: string | undefined;
  /** Installed version at the moment that the exporter saw this run start. */
  readonly startedWithVersion: string | undefined;
  /** What was found out about this run before; the evidence of then may be gone. */
  readonly remembered: RunningVersion | undefined;
  /** Whether the process runs the file that is installed now; undefined when the process's binary cannot be read. */
  readonly runsInstalledFile: boolean | undefined;
  /** Unix time in seconds at which the process started. */
  readonly startSeconds: number | undefined;
  /** Unix times in seconds at which the installed file was created and last changed. */
  readonly fileBornSeconds: number | undefined;
  readonly fileChangedSeconds: number | undefined;
}

/** `source` of a running version: domain log, start event, the process's binary, its start time, nothing. */
export const QEMU_VERSION_SOURCES = ['log', 'event', 'binary', 'start_time', 'none'] as const;
export type QemuVersionSource = (typeof QEMU_VERSION_SOURCES)[number];

export interface RunningVersion {
  /** "7.2.22", or "unknown". */
  readonly runningVersion: string;
  readonly source: QemuVersionSource;
}

interface QemuResult extends RunningVersion {
  /** Whether the process runs an older binary than the installed one; undefined when unknown. */
  readonly outdated: boolean | undefined;
}

/** Process start times are rounded to clock ticks and boot time to seconds. */
const CLOCK_SLACK_SECONDS = 2;

/** Evaluates the evidence; without any, the result is unknown. Evidence of now comes before what is remembered. */
export function evaluateQemu(evidence: QemuEvidence): QemuResult {
  const sameFile = evidence.runsInstalledFile ?? sameFileByTime(evidence);
  const running = runningVersion(evidence, sameFile);
  return { ...running, outdated: outdated(running, evidence.installedVersion, sameFile) };
}

/**
 * Without the right to read the process's binary, times decide: a process that is older than the inode of the installed
 * file cannot run that file; a process that is younger than the last change of the file cannot run another. Between the
 * two times (the file was relabelled, for example, or is being installed) both are possible.
 */
function sameFileByTime(evidence: QemuEvidence): boolean | undefined {
  const { startSeconds, fileBornSeconds, fileChangedSeconds } = evidence;
  if (startSeconds === undefined || fileChangedSeconds === undefined) return undefined;
  if (startSeconds > fileChangedSeconds + CLOCK_SLACK_SECONDS) return true;
  if (fileBornSeconds !== undefined && startSeconds < fileBornSeconds - CLOCK_SLACK_SECONDS) return false;
  return undefined;
}

function runningVersion(evidence: QemuEvidence, sameFile: boolean | undefined): RunningVersion {
  const { loggedVersion, startedWithVersion, installedVersion, remembered } = evidence;
  if (loggedVersion !== undefined) return { runningVersion: loggedVersion, source: 'log' };
  if (startedWithVersion !== undefined) return { runningVersion: startedWithVersion, source: 'event' };
  if (sameFile === true && installedVersion !== undefined) {
    const source = evidence.runsInstalledFile === undefined ? 'start_time' : 'binary';
    return { runningVersion: installedVersion, source };
  }
  return remembered ?? { runningVersion: 'unknown', source: 'none' };
}

function outdated(
  { runningVersion, source }: RunningVersion,
  installedVersion: string | undefined,
  sameFile: boolean | undefined,
): boolean | undefined {
  if (source !== 'none' && installedVersion !== undefined && runningVersion !== installedVersion) {
    return compareVersions(runningVersion, installedVersion) < 0;
  }
  // The same version, or an unknown one, in another file: a security update keeps the upstream number.
  return sameFile === undefined ? undefined : !sameFile;
}

function compareVersions(a: string, b: string): number {
  const left = a.split('.').map(Number);
  const right = b.split('.').map(Number);
  for (let index = 0; index < 3; index++) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
