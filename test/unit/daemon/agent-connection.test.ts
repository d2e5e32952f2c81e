import { beforeEach, describe, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { AgentConnection } from '../../../src/daemon/agent-connection.ts';
import { WorkerBudget } from '../../../src/daemon/worker-budget.ts';
import { readDomain } from '../../../src/libvirt/types.ts';
import { XdrReader, XdrWriter } from '../../../src/libvirt/xdr.ts';
import { type FakeClock, fakeClock, isSettled } from '../../support/fake-clock.ts';
import { fakeUuid } from '../../support/fake-hypervisor.ts';
import {
  afterHandshake,
  type CallHandler,
  type FakeLibvirtd,
  type IncomingCall,
  startFakeLibvirtd,
  targetOf,
} from '../../support/fake-libvirtd.ts';
import { atTestEnd, daemonWith } from '../../support/test-daemon.ts';

const DOMAIN = { name: 'vm-1', uuid: fakeUuid(1), id: 7 };
const COMMAND = '{"execute":"guest-info"}';
const TIMEOUT_MS = 2_000;
/** The agent's own five seconds, and what libvirt may need beside. */
const COMMAND_TIMEOUT_MS = 5_000 + 45_000;
const AUTH_LIST = 66;
const AUTH_FAILED = 45;
const OPEN = 1;
const SET_PERIOD = 308;
const AGENT_COMMAND = 3;
const WARN = 40;

let clock: FakeClock;
let budget: WorkerBudget;

beforeEach(() => {
  clock = fakeClock();
  budget = new WorkerBudget(clock);
});

interface Agents {
  readonly agents: AgentConnection;
  readonly sent: readonly string[];
  readonly log: readonly { level: number; msg: string }[];
  readonly warnings: () => string[];
  readonly command: () => Promise<string>;
}

function agentsAt(sockets: readonly string[], isLibvirtUp = (): boolean => true): Agents {
  const sent: string[] = [];
  const log: { level: number; msg: string }[] = [];
  const agents = new AgentConnection({
    target: { ...targetOf('/nonexistent/read-only'), readWriteSockets: sockets },
    timeoutMs: TIMEOUT_MS,
    onCallSent: (procedure) => sent.push(procedure),
    budget,
    clock,
    isLibvirtUp,
    log: pino({ base: null }, { write: (line: string) => log.push(JSON.parse(line)) }),
  });
  atTestEnd(() => agents.stop());
  return {
    agents,
    sent,
    log,
    warnings: () => log.filter(({ level }) => level === WARN).map(({ msg }) => msg),
    command: () => agents.command(DOMAIN, COMMAND, 5),
  };
}

async function setUp(handler: CallHandler): Promise<Agents & { readonly daemon: FakeLibvirtd }> {
  const daemon = await daemonWith(afterHandshake(handler));
  return { daemon, ...agentsAt([daemon.path]) };
}

function replyOf(text: string | undefined): Buffer {
  const out = new XdrWriter();
  out.optional(text, (value) => out.string(value));
  return out.finish();
}

const answer: CallHandler = (call) => call.reply(replyOf('{"return":{}}'));

describe('a command', () => {
  test('goes out as procedure 3 of the QEMU program, with domain, text, timeout and no flags', async () => {
    const { daemon, command } = await setUp(answer);
    await expect(command()).resolves.toBe('{"return":{}}');
    const call = daemon.received.at(-1);
    expect(call).toMatchObject({ program: 0x20008087, version: 1, procedure: 3, type: 0, status: 0 });
    const payload = new XdrReader(call?.payload ?? Buffer.alloc(0));
    expect(readDomain(payload)).toEqual(DOMAIN);
    expect(payload.string(1024)).toBe(COMMAND);
    expect(payload.int()).toBe(5);
    expect(payload.uint()).toBe(0);
    expect(payload.remaining).toBe(0);
  });

  test('returns what the guest wrote untouched; no text at all is an empty one', async () => {
    const replies = ['not JSON \u202e', undefined];
    const { command } = await setUp((call) => call.reply(replyOf(replies.shift())));
    await expect(command()).resolves.toBe('not JSON \u202e');
    await expect(command()).resolves.toBe('');
  });

  test("rejects with libvirt's error and its number, and the next command goes out as before", async () => {
    let failing = true;
    const { command, daemon } = await setUp((call) => {
      if (failing) call.fail(86, 'Guest agent is not responding');
      else answer(call);
    });
    await expect(command()).rejects.toMatchObject({ name: 'LibvirtServerError', number: 86 });
    failing = false;
    await expect(command()).resolves.toBe('{"return":{}}');
    expect(daemon.received.filter(({ procedure }) => procedure === OPEN)).toHaveLength(1);
    expect(budget.held).toBe(0);
  });

  test('has no answer within its time: the caller goes on, the daemon works on it and counts', async () => {
    const held: IncomingCall[] = [];
    const { command, daemon } = await setUp((call) => held.push(call));
    const reply = command();
    const rejected = expect(reply).rejects.toMatchObject({
      code: 'ERR_LIBVIRT_TIMEOUT',
      message: expect.stringContaining('QEMU_DOMAIN_AGENT_COMMAND'),
    });
    await daemon.waitFor(({ procedure }) => procedure === AGENT_COMMAND);
    await clock.advance(COMMAND_TIMEOUT_MS - 1);
    expect(await isSettled(reply)).toBe(false);
    await clock.advance(1);
    await rejected;
    expect(budget.held).toBe(1);
    held[0]?.reply(replyOf('{"return":{}}'));
    while (budget.held > 0) await isSettled(reply);
    expect(daemon.sockets.size).toBe(1);
  });

  test('is one of four at a time: the fifth is sent when one is answered', async () => {
    const held: IncomingCall[] = [];
    const { command, daemon } = await setUp((call) => held.push(call));
    const replies = Array.from({ length: 5 }, command);
    while (held.length < 4) await isSettled(Promise.all(replies));
    expect(budget.held).toBe(4);
    await isSettled(Promise.all(replies));
    expect(held).toHaveLength(4);
    held[0]?.reply(replyOf('1'));
    expect(await replies[0]).toBe('1');
    while (held.length < 5) await isSettled(Promise.all(replies));
    for (const call of held.slice(1)) call.reply(replyOf('2'));
    expect(await Promise.all(replies.slice(1))).toEqual(['2', '2', '2', '2']);
    expect(daemon.received.filter(({ procedure }) => procedure === OPEN)).toHaveLength(1);
  });

  test('that waits for a worker gives up within its time as well', async () => {
    const { command, daemon } = await setUp(() => undefined);
    const replies = Array.from({ length: 4 }, command);
    for (const reply of replies) reply.catch(() => undefined);
    await daemon.waitFor(({ procedure }) => procedure === AGENT_COMMAND);
    const fifth = command();
    const rejected = expect(fifth).rejects.toMatchObject({ name: 'LibvirtTransportError' });
    await clock.advance(2 * COMMAND_TIMEOUT_MS);
    expect(await isSettled(fifth)).toBe(true);
    await rejected;
  });
});

test('the balloon period of a running domain is set for this run alone, within the deadline of connecting', async () => {
  const { agents, daemon } = await setUp((call) => {
    if (daemon.received.filter(({ procedure }) => procedure === SET_PERIOD).length === 1) call.reply();
  });
  await agents.setMemoryStatsPeriod(DOMAIN, 10);
  const payload = new XdrReader(daemon.received.at(-1)?.payload ?? Buffer.alloc(0));
  expect(readDomain(payload)).toEqual(DOMAIN);
  expect([payload.int(), payload.uint(), payload.remaining]).toEqual([10, 1, 0]);
  const hung = expect(agents.setMemoryStatsPeriod(DOMAIN, 10)).rejects.toMatchObject({
    code: 'ERR_LIBVIRT_TIMEOUT',
  });
  while (daemon.received.filter(({ procedure }) => procedure === SET_PERIOD).length < 2)
    await new Promise((resolve) => setImmediate(resolve));
  await clock.advance(TIMEOUT_MS);
  await hung;
  expect(budget.held).toBe(1);
});

describe('the connection', () => {
  test('is opened to read and write, and carries nothing but commands to agents', async () => {
    const { daemon, agents, sent, command } = await setUp(answer);
    for (let count = 0; count < 3; count++) await command();
    await agents.stop();
    const calls = daemon.received.map(({ program, procedure }) => [program.toString(16), procedure]);
    expect(calls).toEqual([
      ['20008086', 66],
      ['20008086', 60],
      ['20008086', 1],
      ['20008087', 3],
      ['20008087', 3],
      ['20008087', 3],
      ['20008086', 2],
    ]);
    const open = new XdrReader(daemon.received[2]?.payload ?? Buffer.alloc(0));
    expect(open.optional(() => open.string(1024))).toBe('qemu:///system');
    expect(open.uint()).toBe(0);
    expect(sent.filter((name) => name === 'QEMU_DOMAIN_AGENT_COMMAND')).toHaveLength(3);
  });

  test('is opened once for commands that come together, and not before the first', async () => {
    const { daemon, command } = await setUp(answer);
    expect(daemon.received).toEqual([]);
    await Promise.all([command(), command(), command()]);
    expect(daemon.received.filter(({ procedure }) => procedure === OPEN)).toHaveLength(1);
  });

  test('that the daemon closes ends the command; what the daemon may work on is counted for a while', async () => {
    const { command } = await setUp((call) => call.socket.destroy());
    await expect(command()).rejects.toMatchObject({ code: 'ERR_LIBVIRT_CLOSED' });
    expect(budget.held).toBe(1);
    await clock.advance(45_000);
    expect(budget.held).toBe(0);
  });

  test('that the daemon closes at each command is opened with growing pauses', async () => {
    const { command, daemon, warnings } = await setUp((call) => call.socket.destroy());
    // Those beyond the fourth wait for a worker: the daemon may still work on the commands that it closed upon.
    for (let passed = 0; passed < 60_000; passed += 500) {
      const reply = command();
      for (let turn = 0; turn < 20 && !(await isSettled(reply)); turn++);
      await clock.advance(500);
    }
    const opened = daemon.received.filter(({ procedure }) => procedure === OPEN).length;
    expect(opened).toBeGreaterThanOrEqual(4);
    expect(opened).toBeLessThanOrEqual(16);
    expect(warnings()).toEqual([]);
  });

  test('that was lost after it lasted is opened again after a quarter of a second', async () => {
    const { command, daemon } = await setUp(answer);
    await command();
    await clock.advance(10_000);
    for (const socket of daemon.sockets) socket.destroy();
    while (daemon.sockets.size > 0) await clock.advance(0);
    await clock.advance(250);
    await expect(command()).resolves.toBe('{"return":{}}');
  });

  test('that is being opened when all stops does not stay open', async () => {
    const daemon = await daemonWith(afterHandshake(answer));
    const { agents, command } = agentsAt([daemon.path]);
    const reply = command();
    await daemon.waitFor(({ procedure }) => procedure === AUTH_LIST);
    await agents.stop();
    await expect(reply).rejects.toMatchObject({ name: 'LibvirtTransportError' });
    const deadline = performance.now() + 500;
    while (daemon.sockets.size > 0 && performance.now() < deadline) await isSettled(reply);
    expect(daemon.sockets.size).toBe(0);
  });
});

describe('a read-write socket that cannot be opened', () => {
  test('while libvirt answers is a refusal: one warning, not tried again for a while', async () => {
    const { agents, command, warnings } = agentsAt(['/nonexistent/sock']);
    for (let attempt = 0; attempt < 3; attempt++)
      await expect(command()).rejects.toMatchObject({ code: 'ERR_LIBVIRT_CONNECT' });
    expect(agents.isRefused).toBe(true);
    expect(warnings()).toHaveLength(1);
    expect(budget.held).toBe(0);
    agents.retry();
    expect(agents.isRefused).toBe(false);
  });

  test('while libvirt is away is no refusal, and nothing is logged', async () => {
    const { agents, command, log } = agentsAt(['/nonexistent/sock'], () => false);
    await expect(command()).rejects.toMatchObject({ code: 'ERR_LIBVIRT_CONNECT' });
    expect(agents.isRefused).toBe(false);
    expect(log).toEqual([]);
    expect(budget.held).toBe(0);
  });

  test('is tried a minute after the refusal, without a second warning, and is kept once it opens', async () => {
    const daemon = await daemonWith(afterHandshake(answer));
    const sockets = ['/nonexistent/sock'];
    const { agents, command, warnings, log } = agentsAt(sockets);
    await expect(command()).rejects.toThrow('no libvirt socket accepts a connection');
    await clock.advance(59_000);
    await expect(command()).rejects.toThrow('the next attempt waits');
    await clock.advance(1_000);
    await expect(command()).rejects.toThrow('no libvirt socket accepts a connection');
    expect(warnings()).toHaveLength(1);
    sockets[0] = daemon.path;
    await clock.advance(60_000);
    expect(agents.isRefused).toBe(false);
    await Promise.all([command(), command()]);
    await command();
    expect(daemon.received.filter(({ procedure }) => procedure === OPEN)).toHaveLength(1);
    expect(log.at(-1)?.level).toBeLessThan(WARN);
    await agents.stop();
    await expect(command()).rejects.toMatchObject({ name: 'LibvirtTransportError' });
  });

  test('because polkit refuses, is tried after a minute, after eight, and then each hour, as libvirt logs each attempt', async () => {
    const polkit = 2;
    const daemon = await startFakeLibvirtd(({ procedure, reply, fail }) => {
      if (procedure === AUTH_LIST) reply(new XdrWriter().uint(1).int(polkit).finish());
      else fail(AUTH_FAILED, 'authentication unavailable: no polkit agent available');
    });
    atTestEnd(daemon.stop);
    const { agents, command, warnings } = agentsAt([daemon.path]);
    const attempts = (): number => daemon.received.filter(({ procedure }) => procedure === AUTH_LIST).length;
    await expect(command()).rejects.toThrow('polkit refuses this user');
    const seen: number[] = [];
    for (const minutes of [1, 7, 1, 59, 1, 59]) {
      await clock.advance(minutes * 60_000);
      await expect(command()).rejects.toThrow();
      seen.push(attempts());
    }
    expect(seen).toEqual([2, 2, 3, 3, 4, 4]);
    expect(warnings()).toHaveLength(1);
    agents.retry();
    await expect(command()).rejects.toThrow('polkit refuses this user');
  });

  test('after it was open is warned of anew', async () => {
    const daemon = await startFakeLibvirtd(afterHandshake(answer));
    const sockets = ['/nonexistent/sock'];
    const { command, warnings } = agentsAt(sockets);
    await expect(command()).rejects.toThrow();
    sockets[0] = daemon.path;
    await clock.advance(60_000);
    await command();
    await clock.advance(10_000);
    await daemon.stop();
    await clock.advance(1_000);
    await expect(command()).rejects.toThrow('no libvirt socket accepts a connection');
    expect(warnings()).toHaveLength(2);
  });
});
