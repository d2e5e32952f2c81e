/**
 * Every command that can reach a guest's agent. Nothing else leaves this process: what is sent is encoded here,
 * and refused unless it is on these lists, whatever the types say.
 */

/** The only files that are opened, all of them to read. */
export const GUEST_FILES = {
  stat: '/proc/stat',
  meminfo: '/proc/meminfo',
  loadavg: '/proc/loadavg',
  pressureIo: '/proc/pressure/io',
  pressureMemory: '/proc/pressure/memory',
  pressureCpu: '/proc/pressure/cpu',
} as const;

/**
 * Where a kubelet's configuration is found: kubeadm's two, k3s's and RKE2's, and microk8s's. They are opened to
 * see whether they are there; their content is never read.
 */
export const KUBELET_FILES = [
  '/var/lib/kubelet/config.yaml',
  '/etc/kubernetes/kubelet.conf',
  '/var/lib/rancher/k3s/agent/kubelet.kubeconfig',
  '/var/lib/rancher/rke2/agent/kubelet.kubeconfig',
  '/var/snap/microk8s/current/args/kubelet',
] as const;

export type GuestFile = (typeof GUEST_FILES)[keyof typeof GUEST_FILES] | (typeof KUBELET_FILES)[number];

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

export type GuestCommandName = GuestCommand['execute'];

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

const ALLOWED_FILES: ReadonlySet<unknown> = new Set([...Object.values(GUEST_FILES), ...KUBELET_FILES]);

/** A command that is not on the list; a fault of this program, which the guest never sees. */
export class GuestCommandRefused extends Error {
  override readonly name = 'GuestCommandRefused';
  readonly code = 'ERR_GUEST_COMMAND';
}

/**
 * The JSON text of a command.
 * @throws GuestCommandRefused for anything that is not on the lists
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
      `${String(execute).slice(0, 64)} with ${named.length} arguments may not be sent`,
    );
  }
  // What is checked is what is sent: a copy, which no toJSON or accessor of the original can change.
  const args: Readonly<Record<string, unknown>> = Object.fromEntries(
    named.map((name) => [name, given[name]]),
  );
  if (execute === 'guest-file-open' && (!ALLOWED_FILES.has(args.path) || args.mode !== 'r')) {
    throw new GuestCommandRefused('only the listed files may be opened, and only to read');
  }
  for (const name of ['handle', 'count']) {
    if (named.includes(name) && !Number.isSafeInteger(args[name])) {
      throw new GuestCommandRefused('handle and count must be whole numbers');
    }
  }
  return JSON.stringify(named.length === 0 ? { execute } : { execute, arguments: args });
}
