import type { GuestAgent } from './agent.ts';
import { GUEST_FILES, type GuestCommand, type GuestFile, KUBELET_FILES } from './commands.ts';
import { endsProbe, type GuestFamily, type MissingReason, missingReason } from './missing.ts';
import { type ProcStat, parseLoadavg, parseMeminfo, parsePressure, parseProcStat } from './procfs.ts';
import type { GuestCpu, GuestOs, GuestPressure, GuestReading, PressureTotals } from './reading.ts';
import {
  type GuestAgentInfo,
  type GuestFilesystem,
  parseCpuStats,
  parseFsInfo,
  parseGuestInfo,
  parseLoad,
  parseOsInfo,
} from './replies.ts';

/** What changes seldom and is asked seldom. */
export interface LastingFacts {
  readonly info: GuestAgentInfo;
  readonly os: Outcome<GuestOs>;
  /** undefined when files cannot be opened. */
  readonly kubernetesNode: boolean | undefined;
}

export interface ProbeResult {
  readonly reading: GuestReading;
  readonly lasting: LastingFacts;
  readonly filesystems: readonly GuestFilesystem[];
  /** Why each family that has no data has none. */
  readonly missing: ReadonlyMap<GuestFamily, MissingReason>;
}

export interface ProbeOptions {
  /** From an earlier probe of the same run; asked anew when undefined. */
  readonly lasting: LastingFacts | undefined;
  readonly filesystems: boolean;
}

/** Something that was asked for: had, or missing for a reason. */
export type Outcome<T> =
  | { readonly value: T; readonly reason?: undefined }
  | { readonly value?: undefined; readonly reason: MissingReason };

/** The agent does not answer, or may not be asked: nothing more was tried. */
export class ProbeEnded extends Error {
  override readonly name = 'ProbeEnded';
  readonly code = 'ERR_GUEST_PROBE';
  readonly reason: MissingReason;

  constructor(reason: MissingReason, cause: unknown) {
    super(`probe ended: ${reason}`, { cause });
    this.reason = reason;
  }
}

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
  const info = options.lasting?.info ?? (await readInfo(agent));
  const lasting = options.lasting ?? (await readLasting(agent, info));
  const stat = await readFile(agent, info, GUEST_FILES.stat, parseProcStat);
  // One source for all probes of a run: the two round differently, and a counter must not seem to fall.
  const cpu: Outcome<GuestCpu> =
    refusal(info, 'guest-get-cpustats') === undefined
      ? await ask(agent, info, { execute: 'guest-get-cpustats' }, parseCpuStats)
      : procCpu(stat);
  const memory = await readFile(agent, info, GUEST_FILES.meminfo, parseMeminfo);
  const pressure = await readPressure(agent, info);
  const agentLoad = await ask(agent, info, { execute: 'guest-get-load' }, parseLoad);
  const load =
    agentLoad.value === undefined
      ? await readFile(agent, info, GUEST_FILES.loadavg, parseLoadavg)
      : agentLoad;
  const filesystems: Outcome<readonly GuestFilesystem[]> = options.filesystems
    ? await ask(agent, info, { execute: 'guest-get-fsinfo' }, parseFsInfo)
    : { value: [] };

  const outcomes: readonly [GuestFamily, Outcome<unknown>][] = [
    ['os', lasting.os],
    ['cpu', cpu],
    ['memory', memory],
    ['swap', memory],
    ['pressure', pressure],
    ['load', load],
  ];
  return {
    reading: {
      agentVersion: info.version,
      os: lasting.os.value,
      cpu: cpu.value,
      memory: memory.value,
      pressure: pressure.value,
      load: load.value,
      bootTimeSeconds: stat.value?.bootTimeSeconds,
      kubernetesNode: lasting.kubernetesNode,
    },
    lasting,
    filesystems: filesystems.value ?? [],
    missing: new Map(
      outcomes.flatMap(([family, { reason }]) => (reason === undefined ? [] : [[family, reason]])),
    ),
  };
}

function procCpu({ value, reason }: Outcome<ProcStat>): Outcome<GuestCpu> {
  return value === undefined ? { reason } : { value: value.cpu };
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

async function readLasting(agent: GuestAgent, info: GuestAgentInfo): Promise<LastingFacts> {
  const os = await ask(agent, info, { execute: 'guest-get-osinfo' }, parseOsInfo);
  return { info, os, kubernetesNode: await looksForKubelet(agent, info) };
}

async function looksForKubelet(agent: GuestAgent, info: GuestAgentInfo): Promise<boolean | undefined> {
  if (filesRefused(info) !== undefined) return undefined;
  for (const path of KUBELET_FILES) {
    const found = await attempt(() => agent.exists(path));
    if (found.value === true) return true;
    // Only "no such file" means that it is not there.
    if (found.reason !== 'unsupported') return undefined;
  }
  return false;
}

async function readPressure(agent: GuestAgent, info: GuestAgentInfo): Promise<Outcome<GuestPressure>> {
  const io = await readFile(agent, info, GUEST_FILES.pressureIo, parsePressure);
  // A kernel has all of them or none.
  if (io.value === undefined) return io;
  const memory = await readFile(agent, info, GUEST_FILES.pressureMemory, parsePressure);
  const cpu = await readFile(agent, info, GUEST_FILES.pressureCpu, parsePressure);
  const told: [string, PressureTotals | undefined][] = [
    ['io', io.value],
    ['memory', memory.value],
    ['cpu', cpu.value],
  ];
  return { value: Object.fromEntries(told.filter(([, totals]) => totals !== undefined)) };
}

async function ask<T>(
  agent: GuestAgent,
  info: GuestAgentInfo,
  command: GuestCommand,
  parse: (reply: string) => T,
): Promise<Outcome<T>> {
  const reason = refusal(info, command.execute);
  return reason === undefined ? attempt(async () => parse(await agent.ask(command))) : { reason };
}

async function readFile<T>(
  agent: GuestAgent,
  info: GuestAgentInfo,
  path: GuestFile,
  parse: (content: string) => T,
): Promise<Outcome<T>> {
  const reason = filesRefused(info);
  return reason === undefined ? attempt(async () => parse(await agent.readFile(path))) : { reason };
}

function filesRefused(info: GuestAgentInfo): MissingReason | undefined {
  const needed = ['guest-file-open', 'guest-file-read', 'guest-file-close'];
  return needed.map((command) => refusal(info, command)).find((reason) => reason !== undefined);
}

/** What guest-info says against a command: sending it all the same would fill the guest's log. */
function refusal({ commands }: GuestAgentInfo, command: string): MissingReason | undefined {
  const enabled = commands.get(command);
  if (enabled === undefined) return 'unsupported';
  return enabled ? undefined : 'command_disabled';
}

async function attempt<T>(work: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { value: await work() };
  } catch (error) {
    const reason = missingReason(error);
    if (reason === undefined) throw error;
    if (endsProbe(reason)) throw new ProbeEnded(reason, error);
    return { reason };
  }
}
