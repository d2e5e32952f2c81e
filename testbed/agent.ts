import { readFile } from 'node:fs/promises';
import { AGENT_CHANNEL, consolePath } from './domain-xml.ts';
import { domainState, dumpXml } from './domains.ts';
import { virsh } from './virsh.ts';
import { waitFor } from './wait.ts';

/** Waits until the guest has opened the agent's channel. That the agent answers is not waited for. */
export async function waitForAgent(name: string, timeoutMs = 60_000, signal?: AbortSignal): Promise<void> {
  await waitFor(
    async () => {
      if (await agentConnected(name)) return true;
      const state = await domainState(name);
      if (state === 'shut off') throw new Error(`${name} is ${state}\n${await consoleTail(name)}`);
      return undefined;
    },
    {
      what: `${name}: the guest to open the agent's channel`,
      timeoutMs,
      everyMs: 250,
      explain: () => consoleTail(name),
      signal,
    },
  );
}

export async function agentConnected(name: string): Promise<boolean> {
  const channel = new RegExp(`<target [^>]*name='${AGENT_CHANNEL}' state='connected'`);
  return channel.test(await dumpXml(name));
}

/** libvirt's error when guest-sync timed out: the command itself was not sent. */
const NOT_SYNCHRONIZED = 'Guest agent not available for now';
const SLOW_GUEST_ATTEMPTS = 12;
const SLOW_GUEST_TIMEOUT_SECONDS = 10;

/** Sends one command to the guest agent and returns the value of `return` in the reply. */
export async function agentCommand(
  name: string,
  command: string,
  args: Readonly<Record<string, unknown>> = {},
  timeoutSeconds = 10,
  attempts = 1,
): Promise<unknown> {
  const request = JSON.stringify({ execute: command, arguments: args });
  const send = (): Promise<string> =>
    virsh(['qemu-agent-command', name, request, '--timeout', String(timeoutSeconds)], {
      // Before its own timeout begins, libvirt waits for the domain's job and synchronizes with the agent.
      timeoutMs: (timeoutSeconds + 45) * 1000,
    });
  const reply: unknown = JSON.parse(await synchronized(send, attempts));
  return typeof reply === 'object' && reply !== null ? Reflect.get(reply, 'return') : undefined;
}

async function synchronized(send: () => Promise<string>, attempts: number): Promise<string> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await send();
    } catch (error) {
      const notSent = error instanceof Error && error.message.includes(NOT_SYNCHRONIZED);
      if (!notSent || attempt >= attempts) throw error;
    }
  }
}

/**
 * Sends one command to the agent of a guest that is short of memory. Its guest-sync can take longer than libvirt's five
 * seconds, so the command is sent again.
 */
export function slowGuestAgentCommand(
  name: string,
  command: string,
  args: Readonly<Record<string, unknown>> = {},
): Promise<unknown> {
  return agentCommand(name, command, args, SLOW_GUEST_TIMEOUT_SECONDS, SLOW_GUEST_ATTEMPTS);
}

/** Reads a file inside the guest through its agent. */
export async function readGuestFile(name: string, path: string): Promise<string> {
  const handle = await slowGuestAgentCommand(name, 'guest-file-open', { path, mode: 'r' });
  try {
    const read = await slowGuestAgentCommand(name, 'guest-file-read', { handle, count: 65_536 });
    const content: unknown = typeof read === 'object' && read !== null ? Reflect.get(read, 'buf-b64') : '';
    return Buffer.from(typeof content === 'string' ? content : '', 'base64').toString('utf8');
  } finally {
    await slowGuestAgentCommand(name, 'guest-file-close', { handle });
  }
}

/** Runs a shell command inside the guest, without waiting for its end. */
export async function guestShell(name: string, script: string): Promise<void> {
  await slowGuestAgentCommand(name, 'guest-exec', { path: '/bin/sh', arg: ['-c', script] });
}

/** Runs a shell command inside the guest and returns what it wrote. */
export async function guestOutput(name: string, script: string): Promise<string> {
  const args = { path: '/bin/sh', arg: ['-c', script], 'capture-output': true };
  const started = Object(await slowGuestAgentCommand(name, 'guest-exec', args));
  const pid: unknown = Reflect.get(started, 'pid');
  const ended = await waitFor(
    async () => {
      const status = Object(await slowGuestAgentCommand(name, 'guest-exec-status', { pid }));
      return Reflect.get(status, 'exited') === true ? status : undefined;
    },
    { what: `${name}: ${script} to end`, timeoutMs: 10_000 },
  );
  return Buffer.from(String(Reflect.get(ended, 'out-data') ?? ''), 'base64').toString('utf8');
}

/**
 * Stops the real agent's process as soon as it holds this file open, for so many seconds; the guest goes on. Resolves when the
 * agent's process is stopped.
 */
export async function stallAgentWithOpenFile(name: string, path: string, seconds: number): Promise<void> {
  const stalls = await countStalls(name);
  await guestShell(
    name,
    // Built-in commands of the shell alone: a file is open for some milliseconds. On the guest's one processor the loop runs
    // when the agent has sent its reply and waits for the next command.
    `agent=$(pidof qemu-ga)
     holds() { for fd in /proc/$agent/fd/*; do [ "$fd" -ef ${path} ] && return; done; return 1; }
     while :; do
       until holds; do :; done
       kill -STOP $agent
       holds && break
       kill -CONT $agent
     done
     echo '${STALLED}' >/dev/console
     sleep ${seconds}
     kill -CONT $agent`,
  );
  await waitFor(async () => ((await countStalls(name)) > stalls ? true : undefined), {
    what: `${name}: the agent to open ${path}`,
    timeoutMs: 30_000,
    explain: () => consoleTail(name),
  });
}
const STALLED = 'rig: agent stalled';

async function countStalls(name: string): Promise<number> {
  return (await readFile(consolePath(name), 'utf8')).split(STALLED).length;
}

/** Paths of the files that the real agent holds open, its log excepted. */
export async function filesOpenInAgent(name: string): Promise<string[]> {
  const listing = await guestOutput(name, 'for fd in /proc/$(pidof qemu-ga)/fd/*; do readlink $fd; done');
  // The rest are sockets and pipes.
  const paths = listing.split('\n').filter((path) => path.startsWith('/'));
  return paths.filter((path) => !path.startsWith('/dev/') && path !== '/run/agent.log');
}

/** A request as it reached the guest. */
interface AgentRequest {
  /** The value of `execute`; empty when there is none. */
  readonly command: string;
  readonly json: string;
}

/**
 * The requests that the guest's agent has received since it started, in order, libvirt's own guest-sync included. The
 * guest logs them to its console: the agents `silent` and `hostile` always, the real one with `logAgentRequests` while its
 * file systems are not frozen.
 */
export async function agentRequests(name: string): Promise<AgentRequest[]> {
  const text = await readFile(consolePath(name), 'utf8').catch(() => '');
  // The last line may be incomplete.
  return [...text.matchAll(/rig: agent got ([^\r\n]*)\r?\n/g)].map(([, json = '']) => ({
    command: /"execute"\s*:\s*"([^"]*)"/.exec(json)?.[1] ?? '',
    json,
  }));
}

/** The last lines of the guest's serial console. */
export async function consoleTail(name: string): Promise<string> {
  const text = await readFile(consolePath(name), 'utf8').catch(() => '');
  return text.trimEnd().split('\n').slice(-20).join('\n');
}
