import { spawn } from 'node:child_process';
import { closeConnection, openConnection } from '../../src/libvirt/connect.ts';
import { connectGetAllDomainStats } from '../../src/libvirt/procedures/stats.ts';
import type { RpcConnection } from '../../src/libvirt/rpc-connection.ts';
import { resolveUri } from '../../src/libvirt/uri.ts';
import { startExporterProcess } from '../../testbed/exporter-process.ts';
import { waitFor } from '../../testbed/wait.ts';

/** Something that is timed: one scrape of an exporter, or one bare call. */
export interface Contender {
  readonly name: string;
  /** Once; resolves with the text it served, empty for a bare call. */
  readonly run: () => Promise<string>;
  /** The process whose CPU and memory count; undefined for a bare call. */
  readonly pid: number | undefined;
  readonly stop: () => Promise<unknown>;
}

const PEER_PORT = 9478;

export const NAMES = {
  own: 'libvirt-drift-exporter',
  cheap: 'the same, families from memory only',
  debian: "Debian's prometheus-libvirt-exporter",
  bulk: 'one bulk call of the same families',
  bulkWithoutCpu: 'one bulk call, without the group cpu',
  states: 'bare call of the states',
} as const;

/** Collectors that are served from what events keep up to date, with one call for the states. */
const CHEAP = ['hypervisor', 'domain', 'events', 'machine-type', 'qemu', 'config-pending', 'os'];

/** This exporter with all its default collectors, or with those that cost libvirt nothing; a process each. */
export async function thisExporter(which: 'own' | 'cheap', include: string): Promise<Contender> {
  const exporter = await startExporterProcess('--log.level=info', `--domain.include=${include}`);
  const query = which === 'own' ? '' : `?${CHEAP.map((name) => `collect[]=${name}`).join('&')}`;
  return {
    name: NAMES[which],
    run: async () => (await fetch(`${exporter.url}/metrics${query}`)).text(),
    pid: exporter.child.pid,
    stop: exporter.stop,
  };
}

/** Debian's package prometheus-libvirt-exporter (kumina's line, in Go with libvirt's own library). */
export async function debianExporter(): Promise<Contender> {
  const url = `http://127.0.0.1:${PEER_PORT}/metrics`;
  const child = spawn('prometheus-libvirt-exporter', [`--web.listen-address=127.0.0.1:${PEER_PORT}`], {
    stdio: 'ignore',
  });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  const scrape = async (): Promise<string> => (await fetch(url)).text();
  await waitFor(async () => (await scrape().catch(() => undefined)) !== undefined || undefined, {
    what: "Debian's exporter to serve",
    timeoutMs: 30_000,
    everyMs: 100,
  });
  return {
    name: NAMES.debian,
    run: scrape,
    pid: child.pid,
    stop: () => {
      child.kill('SIGTERM');
      return exited;
    },
  };
}

/** virDomainStatsTypes. */
export const GROUPS = { state: 1, cpu: 2, balloon: 4, vcpu: 8, interface: 16, block: 32 } as const;
const ACTIVE = 1;
const NOWAIT = 1 << 29;

/** One bare GET_ALL_DOMAIN_STATS over all running domains, decoded and thrown away. */
export async function bulkCall(name: string, groups: readonly (keyof typeof GROUPS)[]): Promise<Contender> {
  const target = resolveUri('qemu:///system', { uid: 0 });
  const connection: RpcConnection = await openConnection({
    socketPaths: target.readOnlySockets,
    connectName: target.connectName,
    readOnly: true,
    timeoutMs: 30_000,
    onClose: () => undefined,
    onCallSent: () => undefined,
    onEvent: () => undefined,
  });
  const stats = groups.reduce((sum, group) => sum | GROUPS[group], 0);
  const args = { domains: [], stats, flags: ACTIVE | NOWAIT };
  return {
    name,
    run: async () => {
      await connection.call(connectGetAllDomainStats, args, 60_000);
      return '';
    },
    pid: undefined,
    stop: () => closeConnection(connection),
  };
}
