import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { OWN_NAMESPACE } from '../../src/inventory/domain-xml.ts';
import {
  agentCommand,
  agentConnected,
  agentRequests,
  consoleTail,
  readGuestFile,
  waitForAgent,
} from '../../testbed/agent.ts';
import { cleanUp } from '../../testbed/clean-up.ts';
import { destroyGuest, runGuest, undefineGuest } from '../../testbed/domains.ts';
import { startFleet } from '../../testbed/fleet.ts';
import { type LinuxGuestOptions, linuxGuest } from '../../testbed/linux-guest.ts';
import { virsh } from '../../testbed/virsh.ts';
import { waitFor } from '../../testbed/wait.ts';

/** What the rig's agents do, as seen through libvirt: the tests of the exporter rely on it. */

const PREFIX = 'rig-test-agent-';
/** An exporter that happens to run on this machine is not to probe these guests. */
const NOT_PROBED = `<exporter:guest xmlns:exporter='${OWN_NAMESPACE}' probe='off'/>`;
const NOT_AVAILABLE_FOR_NOW = 'Guest agent is not responding: Guest agent not available for now';
const NOT_AVAILABLE_ANY_MORE =
  'Guest agent is not responding: QEMU guest agent is not available due to an error';
const FROZEN = 'Command guest-get-osinfo has been disabled: the agent is in frozen state';
/** What qemu-ga answers while it is frozen. */
const SAFE_WHILE_FROZEN = [
  'guest-fsfreeze-status',
  'guest-fsfreeze-thaw',
  'guest-info',
  'guest-ping',
  'guest-sync',
  'guest-sync-delimited',
];
const FILE_COMMANDS = ['open', 'close', 'read', 'write', 'seek', 'flush'].map((verb) => `guest-file-${verb}`);
const EXEC_COMMANDS = ['guest-exec', 'guest-exec-status'];

type Behaviour = Pick<LinuxGuestOptions, 'agent' | 'hostile' | 'dataDisk' | 'logAgentRequests'>;

/** Boots these guests for the tests of one `describe`; three at most, the machine may have two processors. */
function withGuests<Key extends string>(guests: Readonly<Record<Key, Behaviour>>): Record<Key, string> {
  const behaviours = Object.entries<Behaviour>(guests);
  beforeAll(async () => {
    await Promise.all(
      behaviours.map(async ([key, behaviour]) => {
        const name = PREFIX + key;
        const fixed = { name, os: 'debian-12', memoryMiB: 128, extraMetadataXml: NOT_PROBED } as const;
        await runGuest(await linuxGuest({ ...fixed, ...behaviour }));
        await waitForAgent(name);
      }),
    );
  });
  afterAll(async () => {
    await Promise.all(
      behaviours.map(async ([key]) => {
        await destroyGuest(PREFIX + key);
        await undefineGuest(PREFIX + key);
      }),
    );
  });
  return Object.fromEntries(behaviours.map(([key]) => [key, PREFIX + key])) as Record<Key, string>;
}

async function repeated(times: number, name: string, command: string): Promise<unknown[]> {
  const answers: unknown[] = [];
  for (let call = 0; call < times; call += 1) answers.push(await agentCommand(name, command));
  return answers;
}

const field = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;

async function enabledCommands(name: string): Promise<string[]> {
  const commands = field(await agentCommand(name, 'guest-info'), 'supported_commands');
  if (!Array.isArray(commands)) throw new Error(`${name}: guest-info has no list of commands`);
  return commands
    .filter((command) => field(command, 'enabled') === true)
    .map((command) => String(field(command, 'name')))
    .sort();
}

/** The commands that reached the guest, without those by which libvirt gets in step with it. */
async function commandsAt(name: string): Promise<string[]> {
  return (await agentRequests(name)).map(({ command }) => command).filter((name) => name !== 'guest-sync');
}

beforeAll(() => cleanUp(PREFIX));
afterAll(() => cleanUp(PREFIX));

describe('the real agent', () => {
  const guests = withGuests({
    filtered: { agent: 'filtered' },
    old: { agent: 'old' },
    backup: { agent: 'qemu-ga', dataDisk: true, logAgentRequests: true },
  });

  test('filtered: no files, no programs, the rest works', async () => {
    for (const command of [...FILE_COMMANDS, ...EXEC_COMMANDS]) {
      await expect(agentCommand(guests.filtered, command)).rejects.toThrow(
        `Command ${command} has been disabled`,
      );
    }
    expect(await agentCommand(guests.filtered, 'guest-get-osinfo')).toMatchObject({ id: 'debian' });
    expect(await agentCommand(guests.filtered, 'guest-get-cpustats')).toMatchObject([{ type: 'linux' }]);
    const enabled = await enabledCommands(guests.filtered);
    expect(enabled).toContain('guest-get-cpustats');
    expect(enabled.filter((name) => /^guest-(file|exec)/.test(name))).toEqual([]);
  });

  test('old: no counters and no load, but files', async () => {
    for (const command of ['guest-get-cpustats', 'guest-get-load']) {
      await expect(agentCommand(guests.old, command)).rejects.toThrow(/has been disabled|has not been found/);
      expect(await enabledCommands(guests.old)).not.toContain(command);
    }
    expect(await readGuestFile(guests.old, '/proc/stat')).toMatch(/^cpu {2}\d+ .*^btime \d+$/ms);
    expect(await readGuestFile(guests.old, '/proc/loadavg')).toMatch(/^\d+\.\d\d /);
  });

  test('a real file system is listed and freezes as for a backup; each request is on record', async () => {
    const name = guests.backup;
    expect(await agentCommand(name, 'guest-get-fsinfo')).toMatchObject([
      { mountpoint: '/data', type: 'ext4', disk: [{ dev: '/dev/vda' }] },
    ]);
    await virsh(['domfsfreeze', name]);
    expect(await agentCommand(name, 'guest-fsfreeze-status')).toBe('frozen');
    await expect(agentCommand(name, 'guest-get-osinfo')).rejects.toThrow(FROZEN);
    expect(await enabledCommands(name)).toEqual(SAFE_WHILE_FROZEN);
    await virsh(['domfsthaw', name]);
    expect(await agentCommand(name, 'guest-get-osinfo')).toMatchObject({ id: 'debian' });
    // The agent logs nothing while it is frozen, which includes the thaw.
    const expected = ['guest-get-fsinfo', 'guest-fsfreeze-freeze', 'guest-get-osinfo'];
    const recorded = async () => ((await commandsAt(name)).length >= expected.length ? true : undefined);
    await waitFor(recorded, {
      what: 'the record',
      timeoutMs: 5_000,
      explain: () => consoleTail(name),
    });
    expect(await commandsAt(name)).toEqual(expected);
  });
});

describe('answers that are not what they should be', () => {
  const guests = withGuests({
    shapes: { agent: 'hostile', hostile: 'wrong-shapes' },
    labels: { agent: 'hostile', hostile: 'labels' },
    flapping: { agent: 'hostile', hostile: 'flapping' },
  });

  test('wrong shapes, another at each call', async () => {
    const name = guests.shapes;
    expect(await enabledCommands(name)).toEqual(
      expect.arrayContaining(['guest-get-cpustats', ...FILE_COMMANDS]),
    );
    expect(await repeated(6, name, 'guest-get-osinfo')).toEqual([
      ['debian', '12'],
      { id: ['debian'], 'version-id': 12, name: { no: 'text' } },
      { id: null, 'version-id': true, 'kernel-release': -1 },
      {},
      { id: '', 'version-id': '', name: '' },
      'debian',
    ]);
    const [object, types, negative, beyond, lacking, twice] = await repeated(6, name, 'guest-get-cpustats');
    expect(object).toEqual({ type: 'linux', cpu: 0, user: 1 });
    expect(types).toContain('no object');
    expect(negative).toMatchObject([{ cpu: -1, user: -1, nice: -0.5, system: -(2 ** 63), iowait: -1e308 }]);
    expect(beyond).toMatchObject([
      { cpu: 2 ** 63, user: 1e308, nice: 2 ** 63, system: 2 ** 64, iowait: Number.POSITIVE_INFINITY },
    ]);
    expect(lacking).toEqual([{ type: 'bsd' }, { type: 'linux' }, { cpu: 0, user: 1 }, {}]);
    expect(twice).toMatchObject([{ cpu: 0 }, { cpu: 0 }]);
    expect(await repeated(4, name, 'guest-file-open')).toEqual(['7', -(2 ** 63), '7', { handle: 7 }]);
    expect(await repeated(4, name, 'guest-file-read')).toEqual([
      { count: 1_000_000, 'buf-b64': '!no base64!', eof: false },
      { count: -1, 'buf-b64': ['QUJD'], eof: 'no' },
      { count: 1_000_000, 'buf-b64': '!no base64!', eof: false },
      { eof: true },
    ]);
    expect((await commandsAt(name)).filter((command) => command.startsWith('guest-file'))).toEqual([
      ...Array.from({ length: 4 }, () => 'guest-file-open'),
      ...Array.from({ length: 4 }, () => 'guest-file-read'),
    ]);
  });

  test('text that breaks out of labels, and another at each call', async () => {
    const [first, second] = await repeated(2, guests.labels, 'guest-get-osinfo');
    const id = String(field(first, 'id'));
    expect(id).toContain('"} 1\nlibvirt_up 0\n# \\ {a="b"}');
    for (const character of ['\u0001', '\u001b', '\t', '\r', '\u0085', '\u2028', '\u202e', '😀']) {
      expect(id).toContain(character);
    }
    expect(String(field(first, 'pretty-name')).length).toBeGreaterThan(10_000);
    // libvirt ends a string at its first NUL.
    expect(field(first, 'version')).toBe('12');
    for (const key of ['id', 'version-id', 'name', 'pretty-name', 'variant', 'kernel-release']) {
      expect(field(first, key)).not.toBe(field(second, key));
    }
    const [info, later] = await repeated(2, guests.labels, 'guest-info');
    expect(field(info, 'version')).not.toBe(field(later, 'version'));
  });

  test('counters that go back, and a boot time, swap and a distribution that change', async () => {
    const name = guests.flapping;
    const answers = await repeated(3, name, 'guest-get-cpustats');
    expect(answers.map((answer) => Array.isArray(answer) && answer.length)).toEqual([1, 2, 1]);
    const [first, second, third] = answers.map((answer) => Number(field(field(answer, '0'), 'user')));
    expect(second).toBeGreaterThan(Number(first));
    expect(third).toBeLessThan(Number(first));
    const distributions = await repeated(2, name, 'guest-get-osinfo');
    expect(distributions.map((answer) => field(answer, 'id'))).toEqual(['debian', 'ubuntu']);
    const files = [await readGuestFile(name, '/proc/meminfo'), await readGuestFile(name, '/proc/meminfo')];
    expect(files.map((text) => /^SwapTotal: +(\d+) kB$/m.exec(text)?.[1])).toEqual(['0', '200000']);
    const boots = files.map((text) => /^btime (\d+)$/m.exec(text)?.[1]);
    expect(boots[0]).not.toBe(boots[1]);
  });
});

describe('answers without end, refusals and rubbish', () => {
  const guests = withGuests({
    endless: { agent: 'hostile', hostile: 'endless-file' },
    frozen: { agent: 'hostile', hostile: 'frozen' },
    broken: { agent: 'hostile', hostile: 'broken-json' },
  });

  test('every file is there and none ends', async () => {
    const name = guests.endless;
    const handle = await agentCommand(name, 'guest-file-open', { path: '/no/such/file', mode: 'r' });
    expect(handle).toBe(1);
    for (let read = 0; read < 20; read += 1) {
      const answer = await agentCommand(name, 'guest-file-read', { handle, count: 65_536 });
      expect(answer).toMatchObject({ count: 4095, eof: false });
      expect(Buffer.from(String(field(answer, 'buf-b64')), 'base64')).toHaveLength(4095);
    }
  });

  test('frozen until it is thawed', async () => {
    const name = guests.frozen;
    expect(await agentCommand(name, 'guest-ping')).toEqual({});
    expect(await enabledCommands(name)).toEqual(SAFE_WHILE_FROZEN);
    expect(await agentCommand(name, 'guest-fsfreeze-status')).toBe('frozen');
    await expect(agentCommand(name, 'guest-get-osinfo')).rejects.toThrow(FROZEN);
    await agentCommand(name, 'guest-fsfreeze-thaw');
    expect(await agentCommand(name, 'guest-get-osinfo')).toMatchObject({ id: 'debian' });
    expect(await readGuestFile(name, '/proc/meminfo')).toContain('MemTotal:');
  });

  test('one line that is no JSON, and libvirt drops an agent that still counts as connected', async () => {
    const name = guests.broken;
    expect(await enabledCommands(name)).toContain('guest-get-osinfo');
    // libvirt's message repeats what the guest sent.
    await expect(agentCommand(name, 'guest-get-osinfo')).rejects.toThrow(/cannot parse json .*deb/);
    await expect(agentCommand(name, 'guest-ping')).rejects.toThrow(NOT_AVAILABLE_ANY_MORE);
    expect(await agentConnected(name)).toBe(true);
  });
});

describe('answers that are too long', () => {
  const guests = withGuests({
    huge: { agent: 'hostile', hostile: 'huge' },
    oversized: { agent: 'hostile', hostile: 'oversized' },
    overflow: { agent: 'hostile', hostile: 'overflow' },
  });

  test('huge: the most that comes through libvirt, in time', async () => {
    const name = guests.huge;
    expect(await agentCommand(name, 'guest-get-cpustats', {}, 5)).toHaveLength(100_000);
    expect(await agentCommand(name, 'guest-get-fsinfo', {}, 5)).toHaveLength(20_000);
    const os = await agentCommand(name, 'guest-get-osinfo', {}, 5);
    expect(field(os, 'pretty-name')).toHaveLength(1_000_000);
    const read = await agentCommand(name, 'guest-file-read', { handle: 7, count: 16 }, 5);
    expect(field(read, 'buf-b64')).toHaveLength(3_000_000);
  });

  test('oversized: more than libvirt passes on; its agent stays', async () => {
    const name = guests.oversized;
    await expect(agentCommand(name, 'guest-get-cpustats')).rejects.toThrow(
      'Unable to encode message payload',
    );
    expect(await agentCommand(name, 'guest-ping')).toEqual({});
  });

  test('overflow: more than libvirt reads; its agent is dropped', async () => {
    const name = guests.overflow;
    await expect(agentCommand(name, 'guest-get-cpustats')).rejects.toThrow(
      'No complete agent response found in 10485760 bytes',
    );
    await expect(agentCommand(name, 'guest-ping')).rejects.toThrow(NOT_AVAILABLE_ANY_MORE);
  });
});

describe('no answer', () => {
  const guests = withGuests({
    silent: { agent: 'silent' },
    late: { agent: 'hostile', hostile: 'late' },
  });

  test('silent: connected, and nothing but a request to get in step ever arrives', async () => {
    const name = guests.silent;
    expect(await agentConnected(name)).toBe(true);
    for (const _ of ['first', 'second']) {
      await expect(agentCommand(name, 'guest-ping', {}, 1)).rejects.toThrow(NOT_AVAILABLE_FOR_NOW);
    }
    expect((await agentRequests(name)).map(({ command }) => command)).toEqual(['guest-sync', 'guest-sync']);
  });

  test('a fleet without operating systems: connected and silent for next to nothing', async () => {
    const prefix = `${PREFIX}fleet-`;
    const { names, started } = await startFleet(3, { prefix, agent: 'silent' });
    expect(started).toBe(3);
    // Connected is the state of a port that the guest has opened.
    await Promise.all(names.map((name) => waitForAgent(name, 20_000)));
    await expect(agentCommand(`${prefix}0001`, 'guest-ping', {}, 1)).rejects.toThrow(NOT_AVAILABLE_FOR_NOW);
    await cleanUp(prefix);
  });

  test('late: silent for a while with a file open, and back again', async () => {
    const name = guests.late;
    const handle = await agentCommand(name, 'guest-file-open', { path: '/proc/stat', mode: 'r' });
    const read = agentCommand(name, 'guest-file-read', { handle, count: 4096 }, 1);
    await expect(read).rejects.toThrow(NOT_AVAILABLE_FOR_NOW);
    await expect(agentCommand(name, 'guest-file-close', { handle })).rejects.toThrow(NOT_AVAILABLE_FOR_NOW);
    const answersAgain = (): Promise<true | undefined> =>
      agentCommand(name, 'guest-ping').then(
        () => true,
        () => undefined,
      );
    await waitFor(answersAgain, { what: 'the agent to answer again', timeoutMs: 30_000 });
    expect(await agentCommand(name, 'guest-file-close', { handle })).toEqual({});
    expect((await commandsAt(name)).filter((command) => command === 'guest-file-close')).toHaveLength(1);
  });
});
