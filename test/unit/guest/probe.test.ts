import { describe, expect, test } from '@jest/globals';
import { GuestAgent } from '../../../src/guest/agent.ts';
import type { GuestFile } from '../../../src/guest/commands.ts';
import { ProbeEnded, probeGuest, type StaticGuestInfo } from '../../../src/guest/probe.ts';
import { type UnavailableReason, unavailableReason } from '../../../src/guest/unavailable-reason.ts';
import { LibvirtServerError, LibvirtTransportError } from '../../../src/libvirt/errors.ts';
import { commandFailure, type FakeAgentOptions, FILES, fakeAgent } from '../../support/fake-agent.ts';

async function probe(
  options: FakeAgentOptions = {},
  staticInfo?: StaticGuestInfo,
  filesystems = false,
  unreadable = new Map<GuestFile, UnavailableReason>(),
) {
  const fake = fakeAgent(options);
  /** Files that could not be opened. */
  const failed: string[] = [];
  const send = (command: string): Promise<string> => {
    const answer = fake.send(command);
    answer.catch(() => failed.push(command));
    return answer;
  };
  const result = await probeGuest(new GuestAgent(send, new Set()), { staticInfo, filesystems, unreadable });
  return { ...result, received: fake.received, open: fake.open, failed };
}

test('a guest that reports everything has nothing missing, and no handle left open', async () => {
  const { sample, missing, open } = await probe();
  expect(missing.size).toBe(0);
  expect(open.size).toBe(0);
  expect(sample).toMatchObject({
    agentVersion: '7.2.22',
    os: { id: 'debian', versionId: '12' },
    cpu: { user: 1, system: 2, idle: 3, iowait: undefined },
    memory: { totalBytes: 2_048_000, swapTotalBytes: 409_600, swapUsedBytes: 307_200 },
    pressure: { io: { waitingSeconds: 1 }, memory: { waitingSeconds: 2 }, cpu: { waitingSeconds: 3 } },
    load: { load1: 1, load5: 2, load15: 3 },
    bootTimeSeconds: 1_790_000_000,
    kubernetesNode: false,
  });
});

const READ_FILE = ['guest-file-open', 'guest-file-read', 'guest-file-close'];
/** What each probe sends: the agent's statistics and files, in this order. */
const EACH_PROBE = ['guest-get-cpustats', ...[1, 2, 3, 4, 5].flatMap(() => READ_FILE), 'guest-get-load'];

test('what seldom changes, a kubelet included, is not fetched again when it is known', async () => {
  const first = await probe();
  expect(first.received).toEqual([
    'guest-info',
    'guest-get-osinfo',
    ...EACH_PROBE,
    ...READ_FILE,
    'guest-file-open',
  ]);
  const second = await probe({}, first.staticInfo);
  expect(second.received).toEqual(EACH_PROBE);
  expect(second.sample).toEqual(first.sample);
});

test('filesystems are fetched on request alone, and only from an agent that supports that', async () => {
  const info = () => ({
    version: '9.2.0',
    supported_commands: [{ name: 'guest-get-fsinfo', enabled: true }],
  });
  const answers = {
    'guest-info': info,
    'guest-get-fsinfo': () => [{ mountpoint: '/', type: 'ext4', 'total-bytes': 100, 'used-bytes': 40 }],
  };
  const requested = await probe({ answers }, undefined, true);
  expect(requested.received).toEqual(['guest-info', 'guest-get-fsinfo']);
  expect(requested.filesystems).toEqual([
    { mountpoint: '/', fstype: 'ext4', totalBytes: 100, usedBytes: 40 },
  ]);
  expect((await probe({ answers })).received).toEqual(['guest-info']);
  expect((await probe({}, undefined, true)).filesystems).toEqual([]);
});

test.each(['guest-get-osinfo', 'guest-get-cpustats', 'guest-get-load', 'guest-file-read'])(
  '%s is never sent to an agent that calls it disabled, or does not list it',
  async (command) => {
    expect((await probe({ disabled: [command] })).received).not.toContain(command);
    expect((await probe({ absent: [command] })).received).not.toContain(command);
  },
);

test('an agent without cpustats and load: both are read from /proc', async () => {
  const { sample, missing } = await probe({ absent: ['guest-get-cpustats', 'guest-get-load'] });
  expect(missing.size).toBe(0);
  expect(sample.cpu).toMatchObject({ user: 1, idle: 90, iowait: 0.5 });
  expect(sample.load).toEqual({ load1: 0.1, load5: 0.2, load15: 0.3 });
});

test('files forbidden: what cannot be known is missing with the reason, and nobody tries', async () => {
  const { sample, missing, received } = await probe({
    disabled: ['guest-file-open', 'guest-file-read', 'guest-file-close'],
    absent: ['guest-get-load'],
  });
  expect(Object.fromEntries(missing)).toEqual({
    memory: 'command_disabled',
    swap: 'command_disabled',
    pressure: 'command_disabled',
    load: 'command_disabled',
  });
  expect(sample.kubernetesNode).toBeUndefined();
  expect(sample.cpu).toBeDefined();
  expect(received).toEqual(['guest-info', 'guest-get-osinfo', 'guest-get-cpustats']);
});

test('a kernel without PSI lacks pressure alone', async () => {
  const files = Object.fromEntries(
    Object.entries(FILES).filter(([path]) => !path.startsWith('/proc/pressure')),
  );
  expect(Object.fromEntries((await probe({ files })).missing)).toEqual({ pressure: 'unsupported' });
});

test('one lie spoils only what it is about', async () => {
  const { missing } = await probe({ answers: { 'guest-get-cpustats': () => [{ type: 'linux', cpu: -1 }] } });
  expect(Object.fromEntries(missing)).toEqual({ cpu: 'invalid_reply' });
});

const KUBELET = { ...FILES, '/var/lib/kubelet/config.yaml': 'secret' };
const MOUNTED = {
  ...FILES,
  '/proc/mounts': 'tmpfs /var/lib/kubelet/pods/1-2/volumes/kubernetes.io~projected/token tmpfs rw 0 0\n',
};

test('a kubelet configuration makes a Kubernetes node', async () => {
  const { sample, open } = await probe({ files: KUBELET });
  expect(sample.kubernetesNode).toBe(true);
  expect(open.size).toBe(0);
});

test('the mounts of pods make a Kubernetes node, and no file has to be tried', async () => {
  const { sample, failed } = await probe({ files: MOUNTED });
  expect(sample.kubernetesNode).toBe(true);
  expect(failed).toEqual([]);
});

test('what could not be decided of a kubelet is looked for again, and nothing else is', async () => {
  const interrupted = () => commandFailure('failed to open file: Interrupted system call');
  const first = await probe({ answers: { 'guest-file-open': interrupted } });
  expect(first.sample.kubernetesNode).toBeUndefined();
  const second = await probe({ files: KUBELET }, first.staticInfo);
  expect(second.sample.kubernetesNode).toBe(true);
  expect(second.received).not.toContain('guest-get-osinfo');
  const third = await probe({ files: KUBELET }, second.staticInfo);
  expect(third.received).toEqual(EACH_PROBE);
});

describe('libvirt logs an error for each file that cannot be opened', () => {
  const WITHOUT_PSI = Object.fromEntries(
    Object.entries(FILES).filter(([path]) => !path.startsWith('/proc/pressure')),
  );

  test.each([
    ['a Linux guest', {}],
    ['a kernel without PSI', { files: WITHOUT_PSI }],
    ['a system without /proc', { files: {} }],
    ['Windows', { files: {}, answers: { 'guest-get-osinfo': () => ({ id: 'mswindows' }) } }],
    ['FreeBSD', { files: {}, answers: { 'guest-get-osinfo': () => ({ id: 'freebsd' }) } }],
  ])('so of %s at most one is tried in a run, however often it is probed', async (_, options) => {
    const unreadable = new Map();
    const failed: string[] = [];
    for (let round = 0; round < 4; round++)
      failed.push(...(await probe(options, undefined, false, unreadable)).failed);
    expect(failed.length).toBeLessThanOrEqual(1);
  });

  test('and none of a guest that cannot have the files', async () => {
    const options = { files: {}, answers: { 'guest-get-osinfo': () => ({ id: 'freebsd' }) } };
    const { failed, missing } = await probe(options);
    expect(failed).toEqual([]);
    expect([...missing.keys()]).toEqual(['memory', 'swap', 'pressure']);
  });

  test('a file that appears later is read in another run', async () => {
    const unreadable = new Map();
    await probe({ files: WITHOUT_PSI }, undefined, false, unreadable);
    expect((await probe({}, undefined, false, unreadable)).missing.get('pressure')).toBe('unsupported');
    expect((await probe({})).missing.size).toBe(0);
  });
});

describe('one impossible value costs itself alone, and its family has a reason', () => {
  const meminfo = (text: string) => ({ files: { ...FILES, '/proc/meminfo': text } });
  const SWAP = 'SwapTotal:  400 kB\nSwapFree:  100 kB\n';

  test('more memory available than there is', async () => {
    const { sample, missing } = await probe(meminfo(`MemTotal:  2000 kB\nMemAvailable:  3000 kB\n${SWAP}`));
    expect(sample.memory).toEqual({
      totalBytes: 2_048_000,
      availableBytes: undefined,
      swapTotalBytes: 409_600,
      swapUsedBytes: 307_200,
    });
    expect(Object.fromEntries(missing)).toEqual({ memory: 'invalid_reply' });
  });

  test('a value that the kernel does not have', async () => {
    const { missing } = await probe(meminfo(`MemTotal:  2000 kB\n${SWAP}`));
    expect(Object.fromEntries(missing)).toEqual({ memory: 'unsupported' });
  });

  test.each<[string, FakeAgentOptions, object]>([
    [
      'a mode of the CPU',
      {
        answers: {
          'guest-get-cpustats': () => [
            { type: 'linux', cpu: 0, user: 1000, nice: 0, system: null, idle: 3000 },
          ],
        },
      },
      { cpu: { user: 1, system: undefined, idle: 3 } },
    ],
    [
      'a load',
      { answers: { 'guest-get-load': () => ({ load1m: 1, load5m: -2, load15m: 3 }) } },
      { load: { load1: 1, load5: undefined } },
    ],
    [
      'an os-release field',
      { answers: { 'guest-get-osinfo': () => ({ id: 'debian', name: 7 }) } },
      { os: { id: 'debian', name: undefined } },
    ],
    [
      'a resource',
      { files: { ...FILES, '/proc/pressure/io': 'nonsense\n' } },
      { pressure: { memory: { waitingSeconds: 2 }, cpu: { waitingSeconds: 3 } } },
    ],
  ])('%s', async (_, options, sample) => {
    const result = await probe(options);
    expect(result.sample).toMatchObject(sample);
    expect([...result.missing]).toEqual([[Object.keys(sample)[0], 'invalid_reply']]);
  });
});

describe('an agent that falls silent', () => {
  const silent = () => new LibvirtServerError(86, 10, 'Guest agent is not responding');

  test('after it answered is sent no more, and what it said is kept', async () => {
    const { sample, missing, stoppedAnswering, received } = await probe({
      answers: { 'guest-get-load': silent },
    });
    expect(stoppedAnswering).toBe(true);
    expect(sample).toMatchObject({ cpu: { user: 1 }, memory: { swapTotalBytes: 409_600 } });
    expect(Object.fromEntries(missing)).toEqual({ load: 'agent_silent' });
    expect(received.at(-1)).toBe('guest-get-load');
  });

  test('at what each probe sends has not answered, whatever it said of itself', async () => {
    const options = { answers: { 'guest-get-cpustats': silent } };
    const ended = await probe(options).catch((error: unknown) => error);
    expect(ended).toMatchObject({ reason: 'agent_silent' });
  });
});

describe('a guest that is stalled when it is probed, and wakes after libvirt gave up', () => {
  /** As libvirt does it: the first command waits in the channel, the others are never sent, its answer is dropped. */
  async function stalledProbe(options: FakeAgentOptions, staticInfo: StaticGuestInfo | undefined) {
    const fake = fakeAgent(options);
    const waiting: string[] = [];
    const send = (command: string) => {
      if (waiting.length === 0) waiting.push(command);
      return Promise.reject(new LibvirtServerError(86, 10, 'Guest agent is not responding'));
    };
    const ended = probeGuest(new GuestAgent(send, new Set()), { staticInfo, filesystems: false });
    await expect(ended).rejects.toMatchObject({ reason: 'agent_silent' });
    for (const command of waiting) await fake.send(command);
    return fake;
  }

  test.each<[string, FakeAgentOptions, string]>([
    ['with cpustats', {}, 'guest-get-cpustats'],
    ['without cpustats', { absent: ['guest-get-cpustats'] }, 'guest-info'],
    ['that forbids cpustats', { disabled: ['guest-get-cpustats'] }, 'guest-info'],
  ])('%s has opened nothing that nobody will close', async (_name, options, command) => {
    for (const [staticInfo, first] of [
      [undefined, 'guest-info'],
      [(await probe(options)).staticInfo, command],
    ] as const) {
      const { received, open } = await stalledProbe(options, staticInfo);
      expect(received).toEqual([first]);
      expect(open.size).toBe(0);
    }
  });
});

test('an agent that supports nothing else is sent guest-info in each probe', async () => {
  const silentSince = await probe({ absent: ['guest-get-cpustats', 'guest-get-load', 'guest-file-open'] });
  const silent = () => new LibvirtServerError(86, 10, 'Guest agent is not responding');
  const ended = probe({ answers: { 'guest-info': silent } }, silentSince.staticInfo);
  await expect(ended).rejects.toMatchObject({ reason: 'agent_silent' });
});

describe('a probe ends at once when', () => {
  test.each<[string, FakeAgentOptions, string]>([
    [
      'the agent is silent',
      { answers: { 'guest-info': () => new LibvirtServerError(86, 10, 'Guest agent is not responding') } },
      'agent_silent',
    ],
    [
      'it falls silent midway',
      { answers: { 'guest-get-osinfo': () => new LibvirtServerError(112, 10, 'timed out') } },
      'agent_silent',
    ],
    [
      'a backup holds the lock',
      { answers: { 'guest-info': () => new LibvirtServerError(68, 10, 'cannot acquire state change lock') } },
      'busy',
    ],
    [
      'the guest is frozen',
      {
        answers: {
          'guest-get-osinfo': () =>
            commandFailure('Command guest-get-osinfo has been disabled: the agent is in frozen state'),
        },
      },
      'frozen',
    ],
    [
      'guest-info shows that it is frozen',
      {
        answers: {
          'guest-info': () => ({
            version: '7',
            supported_commands: [
              { name: 'guest-info', enabled: true },
              { name: 'guest-fsfreeze-thaw', enabled: true },
              { name: 'guest-get-osinfo', enabled: false },
            ],
          }),
        },
      },
      'frozen',
    ],
    ['guest-info makes no sense', { answers: { 'guest-info': () => [] } }, 'invalid_reply'],
  ])('%s', async (_name, options, reason) => {
    const ended = await probe(options).catch((error: unknown) => error);
    expect(ended).toBeInstanceOf(ProbeEnded);
    expect(ended).toMatchObject({ reason });
  });
});

test('a lost connection to libvirt says nothing of the guest', async () => {
  const lost = new LibvirtTransportError('ERR_LIBVIRT_CLOSED', 'libvirt closed the connection');
  await expect(probe({ answers: { 'guest-info': () => lost } })).rejects.toBe(lost);
});

test.each<[number, string, string]>([
  [86, 'Guest agent is not responding: QEMU guest agent is not connected', 'agent_disconnected'],
  [86, 'Guest agent is not responding: Guest agent not available for now', 'agent_silent'],
  [112, 'guest agent command timed out', 'agent_silent'],
  [68, 'cannot acquire state change lock (held by agent=remoteDispatch)', 'busy'],
  [29, 'operation forbidden for read only access', 'read_only'],
  [88, 'access denied', 'read_only'],
  [42, 'Domain not found', 'agent_disconnected'],
  [55, 'domain is not running', 'busy'],
  [74, 'QEMU guest agent is not configured', 'no_channel'],
  [113, 'Command guest-file-open has been disabled', 'command_disabled'],
  [1, 'The command guest-nothing has not been found', 'unsupported'],
  [1, "failed to open file '/x' (mode: 'r'): No such file or directory", 'unsupported'],
  [1, 'internal error: cannot parse json', 'invalid_reply'],
  [38, 'No complete agent response found in 10485760 bytes', 'invalid_reply'],
  [39, 'Unable to encode message payload', 'invalid_reply'],
])('libvirt error %i "%s" means %s', (number, message, reason) => {
  expect(unavailableReason(new LibvirtServerError(number, 10, message))).toBe(reason);
});
