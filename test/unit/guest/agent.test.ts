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
      'more bytes than were asked for',
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

test('what is kept open by a guest that closes nothing is bounded', async () => {
  const { agent, unclosed } = agentOf({ answers: { 'guest-file-close': silent } });
  for (let read = 0; read < 200; read++) await agent.readFile('/proc/loadavg');
  expect(unclosed.size).toBeLessThanOrEqual(64);
});
