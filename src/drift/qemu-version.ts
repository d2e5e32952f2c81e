/** What can be known of the QEMU that a domain runs on, against the one that is installed. */
export interface QemuEvidence {
  /** Version that the domain's emulator path would start now; undefined when libvirt does not tell it. */
  readonly installedVersion: string | undefined;
  /** Version on the domain log's line of this very start. */
  readonly loggedVersion: string | undefined;
  /** Installed version at the moment that the exporter saw this run start. */
  readonly startedWithVersion: string | undefined;
  /** Whether the process runs the very file that is installed now; undefined when that cannot be seen. */
  readonly runsInstalledFile: boolean | undefined;
  /** Unix time in seconds at which the process started. */
  readonly startSeconds: number | undefined;
  /** Unix times in seconds at which the installed file was made and last changed. */
  readonly fileBornSeconds: number | undefined;
  readonly fileChangedSeconds: number | undefined;
}

/** `source` of a running version: domain log, start event, the process's binary, its start time, nothing. */
export type QemuVersionSource = 'log' | 'event' | 'binary' | 'start_time' | 'none';

export interface QemuResult {
  /** "7.2.22", or "unknown". */
  readonly runningVersion: string;
  readonly source: QemuVersionSource;
  /** Whether the process runs an older binary than the installed one; undefined when it cannot be told. */
  readonly outdated: boolean | undefined;
}

/** Process start times are rounded to clock ticks and boot time to seconds. */
const CLOCK_SLACK_SECONDS = 2;

/** Weighs the evidence. What no evidence decides stays unknown. */
export function evaluateQemu(evidence: QemuEvidence): QemuResult {
  const sameFile = evidence.runsInstalledFile ?? sameFileByTime(evidence);
  return { ...runningVersion(evidence, sameFile), outdated: outdated(evidence, sameFile) };
}

/**
 * Without the right to look at the process's binary, times decide: a process older than the installed file's
 * inode cannot run it; one younger than the file's last change of any kind cannot run another. In between
 * (the file was relabelled, say, or is being installed) either is possible.
 */
function sameFileByTime(evidence: QemuEvidence): boolean | undefined {
  const { startSeconds, fileBornSeconds, fileChangedSeconds } = evidence;
  if (startSeconds === undefined || fileChangedSeconds === undefined) return undefined;
  if (startSeconds > fileChangedSeconds + CLOCK_SLACK_SECONDS) return true;
  if (fileBornSeconds !== undefined && startSeconds < fileBornSeconds - CLOCK_SLACK_SECONDS) return false;
  return undefined;
}

function runningVersion(
  evidence: QemuEvidence,
  sameFile: boolean | undefined,
): Pick<QemuResult, 'runningVersion' | 'source'> {
  const { loggedVersion, startedWithVersion, installedVersion } = evidence;
  if (loggedVersion !== undefined) return { runningVersion: loggedVersion, source: 'log' };
  if (startedWithVersion !== undefined) return { runningVersion: startedWithVersion, source: 'event' };
  if (sameFile === true && installedVersion !== undefined) {
    const source = evidence.runsInstalledFile === undefined ? 'start_time' : 'binary';
    return { runningVersion: installedVersion, source };
  }
  return { runningVersion: 'unknown', source: 'none' };
}

function outdated(evidence: QemuEvidence, sameFile: boolean | undefined): boolean | undefined {
  const running = evidence.loggedVersion ?? evidence.startedWithVersion;
  const { installedVersion } = evidence;
  if (running !== undefined && installedVersion !== undefined && running !== installedVersion) {
    return compareVersions(running, installedVersion) < 0;
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
