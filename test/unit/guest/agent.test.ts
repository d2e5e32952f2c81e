import { describe, expect, test } from '@jest/globals';
import { GuestAgent } from '../../../src/guest/agent.ts';
import { LibvirtServerError } from '../../../src/libvirt/errors.ts';
import { commandFailure, type FakeAgentOptions, FILES, fakeAgent } from '../../support/fake-agent.ts';

const silent = () => new LibvirtServerError(86, 10, 'Guest agent is not responding');

function agentOf(options: FakeAgentOptions = {}) {
  const fake = fakeAgent(options);
  const unclosed = new Set<number>();
  return { fake, unclosed, agent: new GuestAgent(fake.send, unclosed) };
}

test('a file is opened, read and closed', async () => {
  const { agent, fake, unclosed } = agentOf();
  await expect(agent.readFile('/proc/stat')).resolves.toBe(FILES['/proc/stat']);
  expect(fake.received).toEqual(['guest-file-open', 'guest-file-read', 'guest-file-close']);
  expect(unclosed.size).toBe(0);
});

test('a long file is read in pieces of 32 KiB until its end, characters of two pieces whole', async () => {
  const content = Buffer.from(`x${'é'.repeat(40_000)}`);
  let at = 0;
  const counts: unknown[] = [];
  const { agent, fake } = agentOf({
    answers: {
      'guest-file-read': ({ count }) => {
        counts.push(count);
        const piece = content.subarray(at, at + Number(count));
        at += piece.length;
        return { count: piece.length, 'buf-b64': piece.toString('base64'), eof: at === content.length };
      },
    },
  });
  await expect(agent.readFile('/proc/stat')).resolves.toBe(content.toString());
  expect(counts).toEqual([32_768, 32_768, 32_768]);
  expect(fake.open.size).toBe(0);
});

test('a file that never ends is read to 256 KiB', async () => {
  const chunk = Buffer.alloc(32 * 1024, 'x');
  const endless = () => ({ count: chunk.length, 'buf-b64': chunk.toString('base64'), eof: false });
  const { agent, fake } = agentOf({ answers: { 'guest-file-read': endless } });
  expect((await agent.readFile('/proc/stat')).length).toBe(256 * 1024);
  expect(fake.open.size).toBe(0);
});

test('a file that gives nothing and no end is let go of', async () => {
  const stuck = () => ({ count: 0, 'buf-b64': '', eof: false });
  const { agent, fake } = agentOf({ answers: { 'guest-file-read': stuck } });
  await expect(agent.readFile('/proc/stat')).resolves.toBe('');
  expect(fake.received.filter((name) => name === 'guest-file-read')).toHaveLength(1);
});

describe('the handle is closed after', () => {
  test.each<[string, () => unknown]>([
    ['an error', () => commandFailure('Input/output error')],
    ['a timeout', silent],
    ['a reply of another shape', () => ({ count: 'many' })],
    [
      'more bytes than were requested',
      () => ({ count: 65_536, 'buf-b64': Buffer.alloc(65_536).toString('base64'), eof: true }),
    ],
  ])('%s', async (_name, read) => {
    const { agent, fake } = agentOf({ answers: { 'guest-file-read': read } });
    await expect(agent.readFile('/proc/stat')).rejects.toThrow();
    expect(fake.open.size).toBe(0);
  });
});

test('a handle that could not be closed is closed by the next probe', async () => {
  let broken = true;
  const closed: unknown[] = [];
  const { agent, unclosed } = agentOf({
    answers: {
      'guest-file-close': ({ handle }) => {
        if (broken) return silent();
        closed.push(handle);
        return {};
      },
    },
  });
  await agent.readFile('/proc/stat');
  expect([...unclosed]).toEqual([1]);
  broken = false;
  await agent.closeLeftOpen();
  expect(closed).toEqual([1]);
  expect(unclosed.size).toBe(0);
});

describe('of the handles left open', () => {
  const leftOpen = async (answer: () => unknown): Promise<{ sent: number; ended: unknown; left: number }> => {
    const { fake, agent, unclosed } = agentOf({ answers: { 'guest-file-close': answer } });
    for (let handle = 1; handle <= 64; handle++) unclosed.add(handle);
    const ended = await agent.closeLeftOpen().catch((error: unknown) => error);
    return { sent: fake.received.length, ended, left: unclosed.size };
  };

  test('a silent agent is sent one, and costs one timeout', async () => {
    await expect(leftOpen(silent)).resolves.toMatchObject({ sent: 1, ended: { number: 86 }, left: 64 });
  });

  test('those are forgotten that an agent started anew does not know', async () => {
    const unknown = () => commandFailure("handle '1' has not been found");
    await expect(leftOpen(unknown)).resolves.toEqual({ sent: 64, ended: undefined, left: 0 });
  });

  test('each is sent, and kept, when the agent cannot close it', async () => {
    const failing = () => commandFailure('failed to close handle: Input/output error');
    await expect(leftOpen(failing)).resolves.toEqual({ sent: 64, ended: undefined, left: 64 });
  });
});

test('what is kept open by a guest that closes nothing is bounded', async () => {
  const { agent, unclosed } = agentOf({ answers: { 'guest-file-close': silent } });
  for (let read = 0; read < 200; read++) await agent.readFile('/proc/loadavg');
  expect(unclosed.size).toBeLessThanOrEqual(64);
});
