import { access, mkdir } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { run } from './exec.ts';
import { ownedLogTail, ownedPid, startOwned, stopOwned } from './owned-process.ts';
import { addRigBlock, removeRigBlock } from './qemu-conf.ts';
import { virsh, virshReadOnly } from './virsh.ts';
import { waitFor } from './wait.ts';

const DBUS_SOCKET = '/run/dbus/system_bus_socket';
const VIRTLOGD_SOCKET = '/run/libvirt/virtlogd-sock';

interface DaemonState {
  readonly up: boolean;
  /** Whether the rig started it. A daemon of others is used, never stopped. */
  readonly owned: boolean;
}

export async function daemonState(): Promise<DaemonState> {
  const [up, pid] = await Promise.all([answers(), ownedPid('libvirtd')]);
  return { up, owned: pid !== undefined };
}

/** Starts libvirtd unless one answers already. */
export async function startDaemon(): Promise<DaemonState> {
  const before = await daemonState();
  if (before.up) return before;
  if (process.getuid?.() !== 0) throw new Error('starting libvirtd needs root');
  if (!before.owned) {
    await startBus();
    await startLogDaemon();
    await addRigBlock();
    await startOwned('libvirtd', 'libvirtd', []);
  }
  await waitFor(ready, {
    what: 'libvirtd to answer',
    timeoutMs: 60_000,
    explain: () => ownedLogTail('libvirtd'),
  });
  return { up: true, owned: true };
}

/** Ends libvirtd alone, as a crash or a package upgrade does: guests and their log daemon continue. */
export async function stopLibvirtd(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
  if ((await ownedPid('libvirtd')) === undefined) {
    if (await answers()) throw new Error('this libvirtd was not started by the rig: not stopping it');
    return;
  }
  await stopOwned('libvirtd', signal);
}

/** Restarts libvirtd; guests continue to run. */
export async function restartDaemon(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
  await stopLibvirtd(signal);
  await startDaemon();
}

/** Ends what `startDaemon` started and restores libvirt's configuration. */
export async function stopDaemon(): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const owned = (await ownedPid('libvirtd')) !== undefined;
  for (const name of ['libvirtd', 'virtlogd', 'dbus-daemon']) await stopOwned(name);
  if (owned || !(await answers())) await removeRigBlock();
}

async function answers(): Promise<boolean> {
  // Both sockets: libvirtd opens them one after the other.
  const version = ['version'];
  return Promise.all([
    virshReadOnly(version, { timeoutMs: 5_000 }),
    virsh(version, { timeoutMs: 5_000 }),
  ]).then(
    () => true,
    () => false,
  );
}

async function ready(): Promise<true | undefined> {
  if (await answers()) return true;
  if ((await ownedPid('libvirtd')) === undefined) {
    throw new Error(`libvirtd ended while starting:\n${await ownedLogTail('libvirtd')}`);
  }
  return undefined;
}

async function startBus(): Promise<void> {
  if (await accepts(DBUS_SOCKET)) return;
  await mkdir('/run/dbus', { recursive: true });
  await access('/etc/machine-id').catch(() => run('dbus-uuidgen', ['--ensure=/etc/machine-id']));
  // A killed bus leaves its pid file, and the next bus does not start while the file exists.
  await startOwned('dbus-daemon', 'dbus-daemon', ['--system', '--nofork', '--nopidfile']);
  await waitForSocket('dbus-daemon', DBUS_SOCKET);
}

async function startLogDaemon(): Promise<void> {
  if (await accepts(VIRTLOGD_SOCKET)) return;
  await startOwned('virtlogd', 'virtlogd', []);
  await waitForSocket('virtlogd', VIRTLOGD_SOCKET);
}

async function waitForSocket(name: string, path: string): Promise<void> {
  await waitFor(async () => ((await accepts(path)) ? true : undefined), {
    what: `${name} to accept connections`,
    timeoutMs: 15_000,
    everyMs: 50,
    explain: () => ownedLogTail(name),
  });
}

function accepts(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    const done = (accepted: boolean): void => {
      socket.destroy();
      resolve(accepted);
    };
    socket.setTimeout(2_000, () => done(false));
    socket.once('connect', () => done(true));
    socket.once('error', () => done(false));
  });
}
