/**
 * The only commands that are sent to guest agents. Every command is encoded here, and checked against these lists at
 * run time, as types do not bind code that is called with other values.
 */

/** The files whose content is read. */
export const GUEST_FILES = {
  stat: '/proc/stat',
  meminfo: '/proc/meminfo',
  loadavg: '/proc/loadavg',
  pressureIo: '/proc/pressure/io',
  pressureMemory: '/proc/pressure/memory',
  pressureCpu: '/proc/pressure/cpu',
  mounts: '/proc/mounts',
} as const;

/** Configuration of a kubelet, as kubeadm writes it. It is opened to see whether it exists; its content is never read. */
export const KUBELET_FILE = '/var/lib/kubelet/config.yaml';

export type GuestFile = (typeof GUEST_FILES)[keyof typeof GUEST_FILES] | typeof KUBELET_FILE;

export type GuestCommand =
  | { readonly execute: 'guest-info' }
  | { readonly execute: 'guest-get-osinfo' }
  | { readonly execute: 'guest-get-cpustats' }
  | { readonly execute: 'guest-get-load' }
  | { readonly execute: 'guest-get-fsinfo' }
  | {
      readonly execute: 'guest-file-open';
      readonly arguments: { readonly path: GuestFile; readonly mode: 'r' };
    }
  | {
      readonly execute: 'guest-file-read';
      readonly arguments: { readonly handle: number; readonly count: number };
    }
  | { readonly execute: 'guest-file-close'; readonly arguments: { readonly handle: number } };

type GuestCommandName = GuestCommand['execute'];

/** The commands that may be sent, with the names of their arguments. */
const ALLOWED: Readonly<Record<GuestCommandName, readonly string[]>> = {
  'guest-info': [],
  'guest-get-osinfo': [],
  'guest-get-cpustats': [],
  'guest-get-load': [],
  'guest-get-fsinfo': [],
  'guest-file-open': ['path', 'mode'],
  'guest-file-read': ['handle', 'count'],
  'guest-file-close': ['handle'],
};

const ALLOWED_FILES: ReadonlySet<unknown> = new Set([...Object.values(GUEST_FILES), KUBELET_FILE]);

/** A command that is not on the lists: a bug in this program. The command was not sent. */
export class GuestCommandRefused extends Error {
  override readonly name = 'GuestCommandRefused';
  readonly code = 'ERR_GUEST_COMMAND';
}

/**
 * The JSON text of a command.
 * @throws GuestCommandRefused for a command, an argument or a file that is not on the lists
 */
export function encodeGuestCommand(command: GuestCommand): string {
  const { execute } = command;
  const given: Readonly<Record<string, unknown>> = 'arguments' in command ? command.arguments : {};
  const allowed =
    typeof execute === 'string' && Object.hasOwn(ALLOWED, execute) ? ALLOWED[execute] : undefined;
  const named = Object.keys(given);
  if (
    allowed === undefined ||
    named.length !== allowed.length ||
    named.some((name) => !allowed.includes(name))
  ) {
    throw new GuestCommandRefused(
      `the agent command ${String(execute).slice(0, 64)} with ${named.length} arguments is not on the list`,
    );
  }
  // A copy is checked and sent: a toJSON method or an accessor of the original could return other values later.
  const args: Readonly<Record<string, unknown>> = Object.fromEntries(
    named.map((name) => [name, given[name]]),
  );
  if (execute === 'guest-file-open' && (!ALLOWED_FILES.has(args.path) || args.mode !== 'r')) {
    throw new GuestCommandRefused('guest-file-open is limited to the listed files and to mode "r"');
  }
  for (const name of ['handle', 'count']) {
    if (named.includes(name) && !Number.isSafeInteger(args[name])) {
      throw new GuestCommandRefused('handle and count must be integers');
    }
  }
  return JSON.stringify(named.length === 0 ? { execute } : { execute, arguments: args });
}
