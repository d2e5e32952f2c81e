import { type GuestAgent, ProbeTimeoutError } from './agent.ts';
import { GUEST_FILES, type GuestCommand, type GuestFile, KUBELET_FILE } from './commands.ts';
import type { GuestMemory, GuestOs, GuestPressure, GuestSample, PressureTotals } from './guest-sample.ts';
import { parseLoadavg, parseMeminfo, parsePressure, parseProcStat, type ReportInvalid } from './procfs.ts';
import {
  type GuestAgentInfo,
  type GuestFilesystem,
  parseCpuStats,
  parseFsInfo,
  parseGuestInfo,
  parseLoad,
  parseOsInfo,
} from './replies.ts';
import {
  endsProbe,
  type GuestFamily,
  type UnavailableReason,
  unavailableReason,
} from './unavailable-reason.ts';

/** What changes seldom, and is not fetched by each probe. */
export interface StaticGuestInfo {
  readonly info: GuestAgentInfo;
  readonly os: Fetched<GuestOs>;
  readonly kubernetesNode: Fetched<boolean>;
}

export interface ProbeResult {
  readonly sample: GuestSample;
  readonly staticInfo: StaticGuestInfo;
  readonly filesystems: readonly GuestFilesystem[];
  /** Why each family without data has none. */
  readonly missing: ReadonlyMap<GuestFamily, UnavailableReason>;
  /** The agent answered some commands and then no more; the sample holds the values up to there. */
  readonly stoppedAnswering: boolean;
}

export interface ProbeOptions {
  /** From an earlier probe of the same run; fetched when undefined. */
  readonly staticInfo: StaticGuestInfo | undefined;
  readonly filesystems: boolean;
  /**
   * Files that the agent could not open in this run of the domain, and why. They are not tried again, as libvirt logs an error
   * for each attempt. The probe adds to them.
   */
  readonly unreadable?: Map<GuestFile, UnavailableReason>;
}

/** A value from the guest, and why a part of it is missing; or why there is none. */
type Fetched<T> =
  | { readonly value: T; readonly reason?: UnavailableReason | undefined }
  | { readonly value?: undefined; readonly reason: UnavailableReason };

/** Whether later probes can use the information: a passing failure must not last. */
export function isCacheable({ os }: StaticGuestInfo): boolean {
  return isSettled(os);
}

function isSettled({ value, reason }: Fetched<unknown>): boolean {
  return value !== undefined || reason === 'unsupported' || reason === 'command_disabled';
}

/** The agent does not answer, or access to it is refused: no more commands were sent. */
export class ProbeEnded extends Error {
  override readonly name = 'ProbeEnded';
  readonly code = 'ERR_GUEST_PROBE';
  readonly reason: UnavailableReason;

  constructor(reason: UnavailableReason, cause: unknown) {
    super(`probe ended: ${reason}`, { cause });
    this.reason = reason;
  }
}

/** One running probe. */
interface ProbeRun {
  readonly agent: GuestAgent;
  readonly info: GuestAgentInfo;
  readonly unreadable: Map<GuestFile, UnavailableReason>;
  /** False once the guest is known to be no Linux: then no file is opened. */
  mayBeLinux: boolean;
  /** guest-info was sent again because the agent refused a command that guest-info listed as enabled. */
  rechecked: boolean;
  /** The agent answered a command that every probe sends. */
  answered: boolean;
  stoppedAnswering: boolean;
}

/** IDs that agents report for other systems than Linux: Windows' (QEMU: qga/commands-win32.c), and those of os-release. */
const NOT_LINUX = /^(?:mswindows|freebsd|netbsd|openbsd|dragonfly|ghostbsd|solaris|illumos|omnios|macos)$/;

const FROZEN_COMMANDS: ReadonlySet<string> = new Set([
  'guest-ping',
  'guest-info',
  'guest-sync',
  'guest-sync-delimited',
  'guest-fsfreeze-status',
  'guest-fsfreeze-thaw',
]);

/**
 * Fetches everything from a guest, with some twenty short commands, and stops at the first error that further
 * commands would meet too.
 * @throws ProbeEnded when the agent is silent, frozen, busy or out of reach, or its guest-info cannot be used; any
 *   other error is libvirt's, and says nothing of the guest
 */
export async function probeGuest(agent: GuestAgent, options: ProbeOptions): Promise<ProbeResult> {
  await attempt(() => agent.closeLeftOpen());
  const info = await currentInfo(agent, options.staticInfo);
  const unreadable = options.unreadable ?? new Map<GuestFile, UnavailableReason>();
  const os =
    options.staticInfo?.os ??
    (await fetch(newRun(agent, info, unreadable), { execute: 'guest-get-osinfo' }, parseOsInfo));
  const run = newRun(agent, info, unreadable, !NOT_LINUX.test(os.value?.id ?? ''));
  // One source for all probes of a domain's run: the two round differently, and a counter must not seem to fall.
  const agentCpu = supportsCpuStats(info)
    ? await fetch(run, { execute: 'guest-get-cpustats' }, parseCpuStats)
    : undefined;
  const stat = await readFile(run, GUEST_FILES.stat, (content, report) => {
    const { cpu, bootTimeSeconds } = parseProcStat(content, (family) => {
      if (family === 'cpu') report(family);
    });
    return { cpu, bootTimeSeconds };
  });
  // Every Linux has this file.
  if (stat.reason === 'unsupported') run.mayBeLinux = false;
  const cpu = agentCpu ?? procCpu(stat);
  const { memory, swap, value: memoryValue } = await readMemory(run);
  const pressure = await readPressure(run);
  const agentLoad = await fetch(run, { execute: 'guest-get-load' }, parseLoad);
  const load =
    agentLoad.value === undefined ? await readFile(run, GUEST_FILES.loadavg, parseLoadavg) : agentLoad;
  // Last, so that a slow guest has answered the measurements before its time is over.
  const known = options.staticInfo?.kubernetesNode;
  const kubernetesNode = known !== undefined && isSettled(known) ? known : await findKubelet(run, stat);
  const filesystems: Fetched<readonly GuestFilesystem[]> = options.filesystems
    ? await fetch(run, { execute: 'guest-get-fsinfo' }, parseFsInfo)
    : { value: [] };

  const families: readonly [GuestFamily, UnavailableReason | undefined][] = [
    ['os', os.reason],
    ['cpu', cpu.reason],
    ['memory', memory],
    ['swap', swap],
    ['pressure', pressure.reason],
    ['load', load.reason],
  ];
  return {
    sample: {
      agentVersion: info.version,
      os: os.value,
      cpu: cpu.value,
      memory: memoryValue,
      pressure: pressure.value,
      load: load.value,
      bootTimeSeconds: stat.value?.bootTimeSeconds,
      kubernetesNode: kubernetesNode.value,
    },
    staticInfo: { info, os, kubernetesNode },
    filesystems: filesystems.value ?? [],
    missing: new Map(
      families.flatMap(([family, reason]) => (reason === undefined ? [] : [[family, reason]])),
    ),
    stoppedAnswering: run.stoppedAnswering,
  };
}

function procCpu<T>({ value, reason }: Fetched<{ readonly cpu: T | undefined }>): Fetched<T> {
  if (value?.cpu === undefined) return { reason: reason ?? 'invalid_reply' };
  return { value: value.cpu, reason };
}

/** /proc/meminfo has two families, each with a reason of its own. */
async function readMemory(run: ProbeRun): Promise<{
  readonly value: GuestMemory | undefined;
  readonly memory: UnavailableReason | undefined;
  readonly swap: UnavailableReason | undefined;
}> {
  const invalid = new Set<string>();
  const { value, reason } = await readFile(run, GUEST_FILES.meminfo, (content) =>
    parseMeminfo(content, (family) => invalid.add(family)),
  );
  if (value === undefined) return { value, memory: reason, swap: reason };
  const reasonOf = (family: string, ...values: (number | undefined)[]): UnavailableReason | undefined => {
    if (invalid.has(family)) return 'invalid_reply';
    return values.includes(undefined) ? 'unsupported' : undefined;
  };
  return {
    value,
    memory: reasonOf('memory', value.totalBytes, value.availableBytes),
    swap: reasonOf('swap', value.swapTotalBytes, value.swapUsedBytes),
  };
}

/**
 * The commands that the agent supports. No probe begins with guest-file-open: a stalled guest keeps the first command
 * in its channel and executes it when it wakes up. libvirt then drops the reply, and nobody could close the file. The
 * cached information is used where guest-get-cpustats is the next command.
 */
async function currentInfo(agent: GuestAgent, cached: StaticGuestInfo | undefined): Promise<GuestAgentInfo> {
  return cached !== undefined && supportsCpuStats(cached.info) ? cached.info : fetchInfo(agent);
}

function supportsCpuStats(info: GuestAgentInfo): boolean {
  return reasonAgainst(info, 'guest-get-cpustats') === undefined;
}

async function fetchInfo(agent: GuestAgent): Promise<GuestAgentInfo> {
  const info = await attempt(async () => parseGuestInfo(await agent.execute({ execute: 'guest-info' })));
  if (info.value === undefined) throw new ProbeEnded(info.reason, undefined);
  if (looksFrozen(info.value)) throw new ProbeEnded('frozen', undefined);
  return info.value;
}

/**
 * A frozen agent lists all its commands as disabled but those that a thaw needs (QEMU: qga/main.c, the allowlist of
 * the frozen state). Cached, such a list would outlast the backup.
 */
function looksFrozen({ commands }: GuestAgentInfo): boolean {
  const enabled = [...commands].filter(([, isEnabled]) => isEnabled).map(([name]) => name);
  return enabled.includes('guest-fsfreeze-thaw') && enabled.every((name) => FROZEN_COMMANDS.has(name));
}

function newRun(
  agent: GuestAgent,
  info: GuestAgentInfo,
  unreadable: ProbeRun['unreadable'],
  mayBeLinux = true,
): ProbeRun {
  return { agent, info, unreadable, mayBeLinux, rechecked: false, answered: false, stoppedAnswering: false };
}

/** Mounts of a kubelet's pods; each kubelet makes some, whichever distribution it comes from. */
const POD_MOUNT = '/kubelet/pods/';

/**
 * A running kubelet shows in the list of mounts, which every Linux has. Only the file of a kubelet that does not run has to be
 * opened. libvirt logs an error where there is none, so this file is tried once in a run, and only if no other file was missing.
 */
async function findKubelet(run: ProbeRun, stat: Fetched<unknown>): Promise<Fetched<boolean>> {
  const refused = reasonAgainstFiles(run);
  if (refused !== undefined) return { reason: refused };
  // Without this file nothing says that the guest is a Linux.
  if (stat.value === undefined) return { reason: stat.reason ?? 'unsupported' };
  const mounts = await readFile(run, GUEST_FILES.mounts, (content) => content.includes(POD_MOUNT));
  if (mounts.value === undefined) return { reason: mounts.reason };
  if (mounts.value) return { value: true };
  const known = run.unreadable.get(KUBELET_FILE);
  const found =
    run.unreadable.size > 0 ? undefined : await attempt(() => run.agent.exists(KUBELET_FILE), run);
  if (found?.value === true) return found;
  const reason = found?.reason ?? known ?? 'unsupported';
  if (found !== undefined && isLasting(reason)) run.unreadable.set(KUBELET_FILE, reason);
  // Only "no such file" means that the file does not exist.
  return reason === 'unsupported' ? { value: false } : { reason };
}

/** Whether an attempt to open the file again would fail in the same way. */
function isLasting(reason: UnavailableReason): boolean {
  return reason === 'unsupported' || reason === 'command_disabled';
}

async function readPressure(run: ProbeRun): Promise<Fetched<GuestPressure>> {
  const io = await readFile(run, GUEST_FILES.pressureIo, parsePressure);
  // A kernel has all three files or none.
  if (io.value === undefined && io.reason !== 'invalid_reply') return io;
  const memory = await readFile(run, GUEST_FILES.pressureMemory, parsePressure);
  const cpu = await readFile(run, GUEST_FILES.pressureCpu, parsePressure);
  const resources: [string, PressureTotals | undefined][] = [
    ['io', io.value],
    ['memory', memory.value],
    ['cpu', cpu.value],
  ];
  const reason = io.reason ?? memory.reason ?? cpu.reason;
  const known = resources.filter(([, totals]) => totals !== undefined);
  if (known.length === 0 && reason !== undefined) return { reason };
  return { value: Object.fromEntries(known), reason };
}

async function fetch<T>(
  run: ProbeRun,
  command: GuestCommand,
  parse: (reply: string, report: ReportInvalid) => T,
): Promise<Fetched<T>> {
  const reason = reasonAgainst(run.info, command.execute);
  if (reason !== undefined) return { reason };
  const parsed = async (report: ReportInvalid): Promise<T> => parse(await run.agent.execute(command), report);
  return recheck(run, await attemptInParts(parsed, run));
}

async function readFile<T>(
  run: ProbeRun,
  path: GuestFile,
  parse: (content: string, report: ReportInvalid) => T,
): Promise<Fetched<T>> {
  const reason = reasonAgainstFiles(run) ?? run.unreadable.get(path);
  if (reason !== undefined) return { reason };
  const parsed = async (report: ReportInvalid): Promise<T> => parse(await run.agent.readFile(path), report);
  const fetched = await recheck(run, await attemptInParts(parsed, run));
  if (fetched.value === undefined && fetched.reason !== undefined && isLasting(fetched.reason))
    run.unreadable.set(path, fetched.reason);
  return fetched;
}

/** A value of which a part cannot be true has a reason beside it. */
async function attemptInParts<T>(
  work: (report: ReportInvalid) => Promise<T>,
  run: ProbeRun,
): Promise<Fetched<T>> {
  let isInvalid = false;
  const fetched = await attempt(
    () =>
      work(() => {
        isInvalid = true;
      }),
    run,
  );
  return fetched.value !== undefined && isInvalid ? { ...fetched, reason: 'invalid_reply' } : fetched;
}

/**
 * Sends guest-info again when the agent refused a command that guest-info had listed as enabled. A frozen agent of an
 * older QEMU says only that the command is disabled; its new guest-info shows whether the agent is frozen.
 */
async function recheck<T>(run: ProbeRun, fetched: Fetched<T>): Promise<Fetched<T>> {
  if (fetched.reason === 'command_disabled' && !run.rechecked) {
    run.rechecked = true;
    await fetchInfo(run.agent);
  }
  return fetched;
}

/** Why no file is read. Other systems than Linux have none of the files. */
function reasonAgainstFiles({ info, mayBeLinux }: ProbeRun): UnavailableReason | undefined {
  if (!mayBeLinux) return 'unsupported';
  const needed = ['guest-file-open', 'guest-file-read', 'guest-file-close'];
  return needed.map((command) => reasonAgainst(info, command)).find((reason) => reason !== undefined);
}

/** Why a command is not sent, by guest-info: the agent would refuse it and log that in the guest. */
function reasonAgainst({ commands }: GuestAgentInfo, command: string): UnavailableReason | undefined {
  const enabled = commands.get(command);
  if (enabled === undefined) return 'unsupported';
  return enabled ? undefined : 'command_disabled';
}

/** @throws ProbeEnded for an error that ends a probe, unless the agent had answered something of this `run` */
async function attempt<T>(work: () => Promise<T>, run?: ProbeRun): Promise<Fetched<T>> {
  try {
    const value = await work();
    if (run !== undefined) run.answered = true;
    return { value };
  } catch (error) {
    // The values up to here stay; every further command meets the same error.
    if (error instanceof ProbeTimeoutError) return { reason: 'agent_silent' };
    const reason = unavailableReason(error);
    if (reason === undefined) throw error;
    if (reason === 'agent_silent' && run?.answered === true) {
      run.stoppedAnswering = true;
      run.agent.expire();
      return { reason };
    }
    if (endsProbe(reason)) throw new ProbeEnded(reason, error);
    return { reason };
  }
}
