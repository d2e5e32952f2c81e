import { LibvirtServerError } from '../../src/libvirt/errors.ts';

/** What a fake agent does with one command: its `return` value, an error to reject with, or a promise of either. */
type AgentAnswer = unknown;

export interface FakeAgentOptions {
  /** Answers by command name; those of a well Linux guest where left out. */
  readonly answers?: Readonly<Record<string, (args: Readonly<Record<string, unknown>>) => AgentAnswer>>;
  readonly disabled?: readonly string[];
  readonly absent?: readonly string[];
  readonly files?: Readonly<Record<string, string>>;
}

export interface FakeAgent {
  readonly send: (command: string) => Promise<string>;
  /** Names of the commands that arrived, in order. */
  readonly received: string[];
  /** Handles that are open now. */
  readonly open: Map<number, string>;
}

const COMMANDS = [
  'guest-info',
  'guest-get-osinfo',
  'guest-get-cpustats',
  'guest-get-load',
  'guest-file-open',
  'guest-file-read',
  'guest-file-close',
];

export const FILES: Readonly<Record<string, string>> = {
  '/proc/stat': 'cpu  100 0 200 9000 50 0 1 0 0 0\nbtime 1790000000\n',
  '/proc/meminfo': 'MemTotal:  2000 kB\nMemAvailable:  1000 kB\nSwapTotal:  400 kB\nSwapFree:  100 kB\n',
  '/proc/loadavg': '0.10 0.20 0.30 1/100 1234\n',
  '/proc/pressure/io': 'some avg10=0.00 avg60=0.00 avg300=0.00 total=1000000\n',
  '/proc/pressure/memory': 'some avg10=0.00 avg60=0.00 avg300=0.00 total=2000000\n',
  '/proc/pressure/cpu': 'some avg10=0.00 avg60=0.00 avg300=0.00 total=3000000\n',
  '/proc/mounts': '/dev/vda1 / ext4 rw 0 0\n',
};

/** As libvirt before 11.2 passes on that the agent refused a command. */
export function commandFailure(words: string): LibvirtServerError {
  return new LibvirtServerError(1, 10, `internal error: unable to execute QEMU agent command: ${words}`);
}

export function fakeAgent(options: FakeAgentOptions = {}): FakeAgent {
  const received: string[] = [];
  const open = new Map<number, string>();
  const files = options.files ?? FILES;
  let lastHandle = 0;
  const standard: NonNullable<FakeAgentOptions['answers']> = {
    'guest-info': () => ({
      version: '7.2.22',
      supported_commands: COMMANDS.filter((name) => options.absent?.includes(name) !== true).map((name) => ({
        name,
        enabled: options.disabled?.includes(name) !== true,
      })),
    }),
    'guest-get-osinfo': () => ({ id: 'debian', 'version-id': '12' }),
    'guest-get-cpustats': () => [{ type: 'linux', cpu: 0, user: 1000, nice: 0, system: 2000, idle: 3000 }],
    'guest-get-load': () => ({ load1m: 1, load5m: 2, load15m: 3 }),
    'guest-file-open': ({ path }) => {
      if (files[String(path)] === undefined)
        return commandFailure(`failed to open file '${path}': No such file or directory`);
      lastHandle += 1;
      open.set(lastHandle, String(path));
      return lastHandle;
    },
    'guest-file-read': ({ handle }) => {
      const content = Buffer.from(files[open.get(Number(handle)) ?? ''] ?? '');
      return { count: content.length, 'buf-b64': content.toString('base64'), eof: true };
    },
    'guest-file-close': ({ handle }) => {
      open.delete(Number(handle));
      return {};
    },
  };
  return {
    received,
    open,
    send: async (text) => {
      const { execute, arguments: args = {} } = JSON.parse(text);
      received.push(execute);
      const answer = await (options.answers?.[execute] ?? standard[execute])?.(args);
      if (answer instanceof Error) throw answer;
      return JSON.stringify({ return: answer });
    },
  };
}
