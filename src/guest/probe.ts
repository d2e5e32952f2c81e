import { type GuestAgent, GuestOverdueError } from './agent.ts';
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

/** What changes seldom and is asked seldom. */
export interface StaticGuestInfo {
  readonly info: GuestAgentInfo;
  readonly os: Outcome<GuestOs>;
  readonly kubernetesNode: Outcome<boolean>;
}

export interface ProbeResult {
  readonly reading: GuestSample;
  readonly lasting: StaticGuestInfo;
  readonly filesystems: readonly GuestFilesystem[];
  /** Why each family that has no data has none. */
  readonly missing: ReadonlyMap<GuestFamily, UnavailableReason>;
  /** It answered and then no more: what it was asked before that is here. */
  readonly fellSilent: boolean;
}

export interface ProbeOptions {
  /** From an earlier probe of the same run; asked anew when undefined. */
  readonly lasting: StaticGuestInfo | undefined;
  readonly filesystems: boolean;
}

/** Something that was asked for: had, or missing for a reason. */
export type Outcome<T> =
  | { readonly value: T; readonly reason?: undefined }
  | { readonly value?: undefined; readonly reason: UnavailableReason };

/** Whether what was told is worth keeping for later probes: a passing failure is not. */
export function isLasting({ os }: StaticGuestInfo): boolean {
  return isSettled(os);
}

function isSettled({ value, reason }: Outcome<unknown>): boolean {
  return value !== undefined || reason === 'unsupported' || reason === 'command_disabled';
}

/** The agent does not answer, or may not be asked: nothing more was tried. */
export class ProbeEnded extends Error {
  override readonly name = 'ProbeEnded';
  readonly code = 'ERR_GUEST_PROBE';
  readonly reason: UnavailableReason;

  constructor(reason: UnavailableReason, cause: unknown) {
    super(`probe ended: ${reason}`, { cause });
    this.reason = reason;
  }
}

/** One probe under way. */
interface Asking {
  readonly agent: GuestAgent;
  readonly info: GuestAgentInfo;
  readonly isWindows: boolean;
  /** guest-info was asked anew because a command that it offers was refused. */
  rechecked: boolean;
  /** It answered something that is asked in each probe. */
  heard: boolean;
  fellSilent: boolean;
}

/** os-release ID that the agent makes up for Windows (QEMU: qga/commands-win32.c). */
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
 * Asks a guest for everything, some twenty short commands, and stops at the first sign that asking is of no use.
 * @throws ProbeEnded when the agent is silent, frozen, busy, out of reach, or does not say what it can do;
 *   any other error is libvirt's, and says nothing of the guest
 */
export async function probeGuest(agent: GuestAgent, options: ProbeOptions): Promise<ProbeResult> {
  await attempt(() => agent.closeLeftOpen());
  const info = await infoNow(agent, options.lasting);
  const os =
    options.lasting?.os ?? (await ask(newAsking(agent, info), { execute: 'guest-get-osinfo' }, parseOsInfo));
  const asking = newAsking(agent, info, os.value?.id === WINDOWS);
  // One source for all probes of a run: the two round differently, and a counter must not seem to fall.
  const told = offersCpuStats(info)
    ? await ask(asking, { execute: 'guest-get-cpustats' }, parseCpuStats)
    : undefined;
  const stat = await readFile(asking, GUEST_FILES.stat, parseProcStat);
  const cpu: Outcome<GuestCpu> = told ?? procCpu(stat);
  const memory = await readFile(asking, GUEST_FILES.meminfo, parseMeminfo);
  const pressure = await readPressure(asking);
  const agentLoad = await ask(asking, { execute: 'guest-get-load' }, parseLoad);
  const load =
    agentLoad.value === undefined ? await readFile(asking, GUEST_FILES.loadavg, parseLoadavg) : agentLoad;
  // After what each probe is for, so that a slow guest has told that when its time is over.
  const known = options.lasting?.kubernetesNode;
  const kubernetesNode = known !== undefined && isSettled(known) ? known : await looksForKubelet(asking);
  const filesystems: Outcome<readonly GuestFilesystem[]> = options.filesystems
    ? await ask(asking, { execute: 'guest-get-fsinfo' }, parseFsInfo)
    : { value: [] };

  const outcomes: readonly [GuestFamily, Outcome<unknown>][] = [
    ['os', os],
    ['cpu', cpu],
    ['memory', memory],
    ['swap', memory],
    ['pressure', pressure],
    ['load', load],
  ];
  return {
    reading: {
      agentVersion: info.version,
      os: os.value,
      cpu: cpu.value,
      memory: memory.value,
      pressure: pressure.value,
      load: load.value,
      bootTimeSeconds: stat.value?.bootTimeSeconds,
      kubernetesNode: kubernetesNode.value,
    },
    lasting: { info, os, kubernetesNode },
    filesystems: filesystems.value ?? [],
    missing: new Map(
      outcomes.flatMap(([family, { reason }]) => (reason === undefined ? [] : [[family, reason]])),
    ),
    fellSilent: asking.fellSilent,
  };
}

function procCpu({ value, reason }: Outcome<ProcStat>): Outcome<GuestCpu> {
  return value === undefined ? { reason } : { value: value.cpu };
}

/**
 * What the agent can do. No probe begins by opening a file: what a stalled guest is sent first waits in its channel and
 * is done when it wakes, and as libvirt then drops the answer nobody could close the file. The known facts will do where
 * guest-get-cpustats comes next.
 */
async function infoNow(agent: GuestAgent, lasting: StaticGuestInfo | undefined): Promise<GuestAgentInfo> {
  return lasting !== undefined && offersCpuStats(lasting.info) ? lasting.info : readInfo(agent);
}

function offersCpuStats(info: GuestAgentInfo): boolean {
  return refusal(info, 'guest-get-cpustats') === undefined;
}

async function readInfo(agent: GuestAgent): Promise<GuestAgentInfo> {
  const info = await attempt(async () => parseGuestInfo(await agent.ask({ execute: 'guest-info' })));
  if (info.value === undefined) throw new ProbeEnded(info.reason, undefined);
  if (looksFrozen(info.value)) throw new ProbeEnded('frozen', undefined);
  return info.value;
}

/**
 * A frozen agent calls all its commands disabled but those that a thaw needs (QEMU: qga/main.c, the allowlist of
 * the frozen state). Taken for what the agent can do, that would outlast the backup.
 */
function looksFrozen({ commands }: GuestAgentInfo): boolean {
  const enabled = [...commands].filter(([, isEnabled]) => isEnabled).map(([name]) => name);
  return enabled.includes('guest-fsfreeze-thaw') && enabled.every((name) => FROZEN_COMMANDS.has(name));
}

function newAsking(agent: GuestAgent, info: GuestAgentInfo, isWindows = false): Asking {
  return { agent, info, isWindows, rechecked: false, heard: false, fellSilent: false };
}

async function looksForKubelet(asking: Asking): Promise<Outcome<boolean>> {
  const refused = filesRefused(asking);
  if (refused !== undefined) return { reason: refused };
  for (const path of KUBELET_FILES) {
    const found = await attempt(() => asking.agent.exists(path), asking);
    if (found.value === true) return found;
    // Only "no such file" means that it is not there.
    if (found.reason !== 'unsupported') return found;
  }
  return { value: false };
}

async function readPressure(asking: Asking): Promise<Outcome<GuestPressure>> {
  const io = await readFile(asking, GUEST_FILES.pressureIo, parsePressure);
  // A kernel has all of them or none.
  if (io.value === undefined) return io;
  const memory = await readFile(asking, GUEST_FILES.pressureMemory, parsePressure);
  const cpu = await readFile(asking, GUEST_FILES.pressureCpu, parsePressure);
  const told: [string, PressureTotals | undefined][] = [
    ['io', io.value],
    ['memory', memory.value],
    ['cpu', cpu.value],
  ];
  return { value: Object.fromEntries(told.filter(([, totals]) => totals !== undefined)) };
}

async function ask<T>(
  asking: Asking,
  command: GuestCommand,
  parse: (reply: string) => T,
): Promise<Outcome<T>> {
  const reason = refusal(asking.info, command.execute);
  if (reason !== undefined) return { reason };
  return recheck(asking, await attempt(async () => parse(await asking.agent.ask(command)), asking));
}

async function readFile<T>(
  asking: Asking,
  path: GuestFile,
  parse: (content: string) => T,
): Promise<Outcome<T>> {
  const reason = filesRefused(asking);
  if (reason !== undefined) return { reason };
  return recheck(asking, await attempt(async () => parse(await asking.agent.readFile(path)), asking));
}

/**
 * A command that guest-info offered was refused. A frozen agent of an older QEMU says no more than that it is disabled:
 * guest-info, asked anew, tells the one from the other.
 */
async function recheck<T>(asking: Asking, outcome: Outcome<T>): Promise<Outcome<T>> {
  if (outcome.reason === 'command_disabled' && !asking.rechecked) {
    asking.rechecked = true;
    await readInfo(asking.agent);
  }
  return outcome;
}

/** Why files are not asked for; Windows has none of those that are read, and says so in its user's language. */
function filesRefused({ info, isWindows }: Asking): UnavailableReason | undefined {
  if (isWindows) return 'unsupported';
  const needed = ['guest-file-open', 'guest-file-read', 'guest-file-close'];
  return needed.map((command) => refusal(info, command)).find((reason) => reason !== undefined);
}

/** What guest-info says against a command: sending it all the same would fill the guest's log. */
function refusal({ commands }: GuestAgentInfo, command: string): UnavailableReason | undefined {
  const enabled = commands.get(command);
  if (enabled === undefined) return 'unsupported';
  return enabled ? undefined : 'command_disabled';
}

/** @throws ProbeEnded when asking on is of no use, unless it is `asking` that has heard something worth keeping */
async function attempt<T>(work: () => Promise<T>, asking?: Asking): Promise<Outcome<T>> {
  try {
    const value = await work();
    if (asking !== undefined) asking.heard = true;
    return { value };
  } catch (error) {
    // What was read before stays; nothing more is.
    if (error instanceof GuestOverdueError) return { reason: 'agent_silent' };
    const reason = unavailableReason(error);
    if (reason === undefined) throw error;
    if (reason === 'agent_silent' && asking?.heard === true) {
      asking.fellSilent = true;
      asking.agent.expire();
      return { reason };
    }
    if (endsProbe(reason)) throw new ProbeEnded(reason, error);
    return { reason };
  }
}
