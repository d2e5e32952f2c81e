import { type GuestAgent, ProbeTimeoutError } from './agent.ts';
import { GUEST_FILES, type GuestCommand, type GuestFile, KUBELET_FILES } from './commands.ts';
import type { GuestCpu, GuestOs, GuestPressure, GuestSample, PressureTotals } from './guest-sample.ts';
import { type ProcStat, parseLoadavg, parseMeminfo, parsePressure, parseProcStat } from './procfs.ts';
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
}

/** A value from the guest, or why there is none. */
type Fetched<T> =
  | { readonly value: T; readonly reason?: undefined }
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
  readonly isWindows: boolean;
  /** guest-info was sent again because the agent refused a command that guest-info listed as enabled. */
  rechecked: boolean;
  /** The agent answered a command that every probe sends. */
  answered: boolean;
  stoppedAnswering: boolean;
}

/** os-release ID that the agent reports for Windows (QEMU: qga/commands-win32.c). */
const WINDOWS = 'mswindows';

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
  const os =
    options.staticInfo?.os ??
    (await fetch(newRun(agent, info), { execute: 'guest-get-osinfo' }, parseOsInfo));
  const run = newRun(agent, info, os.value?.id === WINDOWS);
  // One source for all probes of a domain's run: the two round differently, and a counter must not seem to fall.
  const agentCpu = supportsCpuStats(info)
    ? await fetch(run, { execute: 'guest-get-cpustats' }, parseCpuStats)
    : undefined;
  const stat = await readFile(run, GUEST_FILES.stat, parseProcStat);
  const cpu: Fetched<GuestCpu> = agentCpu ?? procCpu(stat);
  const memory = await readFile(run, GUEST_FILES.meminfo, parseMeminfo);
  const pressure = await readPressure(run);
  const agentLoad = await fetch(run, { execute: 'guest-get-load' }, parseLoad);
  const load =
    agentLoad.value === undefined ? await readFile(run, GUEST_FILES.loadavg, parseLoadavg) : agentLoad;
  // Last, so that a slow guest has answered the measurements before its time is over.
  const known = options.staticInfo?.kubernetesNode;
  const kubernetesNode = known !== undefined && isSettled(known) ? known : await findKubelet(run);
  const filesystems: Fetched<readonly GuestFilesystem[]> = options.filesystems
    ? await fetch(run, { execute: 'guest-get-fsinfo' }, parseFsInfo)
    : { value: [] };

  const families: readonly [GuestFamily, Fetched<unknown>][] = [
    ['os', os],
    ['cpu', cpu],
    ['memory', memory],
    ['swap', memory],
    ['pressure', pressure],
    ['load', load],
  ];
  return {
    sample: {
      agentVersion: info.version,
      os: os.value,
      cpu: cpu.value,
      memory: memory.value,
      pressure: pressure.value,
      load: load.value,
      bootTimeSeconds: stat.value?.bootTimeSeconds,
      kubernetesNode: kubernetesNode.value,
    },
    staticInfo: { info, os, kubernetesNode },
    filesystems: filesystems.value ?? [],
    missing: new Map(
      families.flatMap(([family, { reason }]) => (reason === undefined ? [] : [[family, reason]])),
    ),
    stoppedAnswering: run.stoppedAnswering,
  };
}

function procCpu({ value, reason }: Fetched<ProcStat>): Fetched<GuestCpu> {
  return value === undefined ? { reason } : { value: value.cpu };
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

function newRun(agent: GuestAgent, info: GuestAgentInfo, isWindows = false): ProbeRun {
  return { agent, info, isWindows, rechecked: false, answered: false, stoppedAnswering: false };
}

async function findKubelet(run: ProbeRun): Promise<Fetched<boolean>> {
  const refused = reasonAgainstFiles(run);
  if (refused !== undefined) return { reason: refused };
  for (const path of KUBELET_FILES) {
    const found = await attempt(() => run.agent.exists(path), run);
    if (found.value === true) return found;
    // Only "no such file" means that the file does not exist.
    if (found.reason !== 'unsupported') return found;
  }
  return { value: false };
}

async function readPressure(run: ProbeRun): Promise<Fetched<GuestPressure>> {
  const io = await readFile(run, GUEST_FILES.pressureIo, parsePressure);
  // A kernel has all three files or none.
  if (io.value === undefined) return io;
  const memory = await readFile(run, GUEST_FILES.pressureMemory, parsePressure);
  const cpu = await readFile(run, GUEST_FILES.pressureCpu, parsePressure);
  const resources: [string, PressureTotals | undefined][] = [
    ['io', io.value],
    ['memory', memory.value],
    ['cpu', cpu.value],
  ];
  return { value: Object.fromEntries(resources.filter(([, totals]) => totals !== undefined)) };
}

async function fetch<T>(
  run: ProbeRun,
  command: GuestCommand,
  parse: (reply: string) => T,
): Promise<Fetched<T>> {
  const reason = reasonAgainst(run.info, command.execute);
  if (reason !== undefined) return { reason };
  return recheck(run, await attempt(async () => parse(await run.agent.execute(command)), run));
}

async function readFile<T>(
  run: ProbeRun,
  path: GuestFile,
  parse: (content: string) => T,
): Promise<Fetched<T>> {
  const reason = reasonAgainstFiles(run);
  if (reason !== undefined) return { reason };
  return recheck(run, await attempt(async () => parse(await run.agent.readFile(path)), run));
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

/** Why no file is read. Windows has none of the files, and reports that in the language of its user. */
function reasonAgainstFiles({ info, isWindows }: ProbeRun): UnavailableReason | undefined {
  if (isWindows) return 'unsupported';
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
