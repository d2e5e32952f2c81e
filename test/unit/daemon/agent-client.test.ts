import { afterEach, expect, test } from '@jest/globals';
import { AgentClient } from '../../../src/daemon/agent-client.ts';
import { readDomain } from '../../../src/libvirt/types.ts';
import { XdrReader, XdrWriter } from '../../../src/libvirt/xdr.ts';
import { fakeUuid } from '../../support/fake-hypervisor.ts';
import {
  afterHandshake,
  type CallHandler,
  type FakeLibvirtd,
  startFakeLibvirtd,
  targetOf,
} from '../../support/fake-libvirtd.ts';

const DOMAIN = { name: 'vm-1', uuid: fakeUuid(1), id: 7 };
const COMMAND = '{"execute":"guest-info"}';
const cleanUps: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

function replyOf(text: string | undefined): Buffer {
  const out = new XdrWriter();
  out.optional(text, (value) => out.string(value));
  return out.finish();
}

async function setUp(handler: CallHandler): Promise<{
  readonly daemon: FakeLibvirtd;
  readonly client: AgentClient;
  readonly sent: string[];
}> {
  const daemon = await startFakeLibvirtd(afterHandshake(handler));
  const sent: string[] = [];
  const client = await AgentClient.connect({
    target: { ...targetOf(daemon.path), readOnlySockets: ['/nonexistent/read-only'] },
    timeoutMs: 30_000,
    onClose: () => undefined,
    onCallSent: (procedure) => sent.push(procedure),
  });
  cleanUps.push(daemon.stop, () => client.close());
  return { daemon, client, sent };
}

test('a command goes out as procedure 3 of the QEMU program, with domain, text, timeout and no flags', async () => {
  const { daemon, client } = await setUp((call) => call.reply(replyOf('{"return":{}}')));
  await expect(client.command(DOMAIN, COMMAND, 5)).resolves.toBe('{"return":{}}');
  const call = daemon.received.at(-1);
  expect(call).toMatchObject({ program: 0x20008087, version: 1, procedure: 3, type: 0, status: 0 });
  const payload = new XdrReader(call?.payload ?? Buffer.alloc(0));
  expect(readDomain(payload)).toEqual(DOMAIN);
  expect(payload.string(1024)).toBe(COMMAND);
  expect(payload.int()).toBe(5);
  expect(payload.uint()).toBe(0);
  expect(payload.remaining).toBe(0);
});

test('the connection is opened to read and write, and carries nothing but commands to agents', async () => {
  const { daemon, client, sent } = await setUp((call) => call.reply(replyOf('{"return":{}}')));
  for (let count = 0; count < 3; count++) await client.command(DOMAIN, COMMAND, 5);
  await client.close();
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

test('what the guest wrote is handed on untouched; no text at all is an empty one', async () => {
  const replies = ['not JSON \u202e', undefined];
  const { client } = await setUp((call) => call.reply(replyOf(replies.shift())));
  await expect(client.command(DOMAIN, COMMAND, 5)).resolves.toBe('not JSON \u202e');
  await expect(client.command(DOMAIN, COMMAND, 5)).resolves.toBe('');
});

test("libvirt's error is told with its number, and the next command goes out as before", async () => {
  let failing = true;
  const { client } = await setUp((call) => {
    if (failing) call.fail(86, 'Guest agent is not responding');
    else call.reply(replyOf('{"return":{}}'));
  });
  await expect(client.command(DOMAIN, COMMAND, 5)).rejects.toMatchObject({
    name: 'LibvirtServerError',
    number: 86,
  });
  failing = false;
  await expect(client.command(DOMAIN, COMMAND, 5)).resolves.toBe('{"return":{}}');
});

test('a daemon that hangs up ends the command and the connection', async () => {
  const { client } = await setUp((call) => call.socket.destroy());
  await expect(client.command(DOMAIN, COMMAND, 5)).rejects.toMatchObject({ code: 'ERR_LIBVIRT_CLOSED' });
  expect(client.isOpen).toBe(false);
});
