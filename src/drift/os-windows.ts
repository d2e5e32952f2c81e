import type { GuestOs } from '../guest/guest-sample.ts';

// First build of each row: qga/commands-win32.c of QEMU 11, newest first.
const SERVER_BUILDS = [
  { build: 26040, version: '2k25' },
  { build: 20344, version: '2k22' },
  { build: 17763, version: '2k19' },
  { build: 14393, version: '2k16' },
] as const;
const CLIENT_BUILDS = [
  { build: 22000, version: '11' },
  { build: 10240, version: '10' },
] as const;

/** Releases by Windows NT's version, which the agent sends as kernel-version; used when there is no version-id. */
const NT_VERSIONS: ReadonlyMap<string, { readonly client: string; readonly server: string }> = new Map([
  ['5.0', { client: '2k', server: '2k' }],
  ['5.1', { client: 'xp', server: 'xp' }],
  ['5.2', { client: 'xp', server: '2k3' }],
  ['6.0', { client: 'vista', server: '2k8' }],
  ['6.1', { client: '7', server: '2k8r2' }],
  ['6.2', { client: '8', server: '2k12' }],
  ['6.3', { client: '8.1', server: '2k12r2' }],
]);

/** The agent's version-id. */
const VERSION_IDS: ReadonlyMap<string, string> = new Map([
  ['2000', '2k'],
  ['xp', 'xp'],
  ['vista', 'vista'],
  ['7', '7'],
  ['8', '8'],
  ['8.1', '8.1'],
  ['10', '10'],
  ['11', '11'],
  ['2003', '2k3'],
  ['2008', '2k8'],
  ['2008r2', '2k8r2'],
  ['2012', '2k12'],
  ['2012r2', '2k12r2'],
  ['2016', '2k16'],
  ['2019', '2k19'],
  ['2022', '2k22'],
  ['2025', '2k25'],
]);

/** Releases newer than the tables above. No agent reports a newer release than the one that runs. */
const NEWEST_SERVER_YEAR = 2025;
const NEWEST_CLIENT = 11;

function newerThanTables(versionId: string, server: boolean): string | undefined {
  const year = /^2\d{3}$/.test(versionId) ? Number(versionId) : 0;
  if (server) return year > NEWEST_SERVER_YEAR ? `2k${versionId.slice(2)}` : undefined;
  return /^\d{2}$/.test(versionId) && Number(versionId) > NEWEST_CLIENT ? versionId : undefined;
}

/**
 * Version part of the libosinfo id `http://microsoft.com/win/…`, from the reply of the agent for Windows;
 * `undefined` when no value in the reply is known.
 *
 * The build (kernel-release) comes before version-id, which depends on the agent's age: old agents use the next row
 * instead of the last (build 17134 is "2019") and do not know Server 2022 ("N/A") and Windows 11 ("10"); up to QEMU 8.2
 * they call Server 2025 "2022". No agent sends a version-id for Windows 7: a comma is missing in its code.
 */
export function windowsVersion(os: GuestOs): string | undefined {
  const nt = /^\d{1,2}\.\d{1,2}(?=$|\.)/.exec(os.kernelVersion ?? '')?.[0];
  const server = isServer(os);
  const versionId = (os.versionId ?? '').toLowerCase();
  const newer = newerThanTables(versionId, server);
  if (newer !== undefined) return newer;
  const fromVersionId = VERSION_IDS.get(versionId);
  if (nt !== undefined && nt !== '10.0') {
    const names = NT_VERSIONS.get(nt);
    return names === undefined ? fromVersionId : server ? names.server : names.client;
  }
  const build = /^\d{1,8}$/.test(os.kernelRelease ?? '') ? Number(os.kernelRelease) : 0;
  const row = (server ? SERVER_BUILDS : CLIENT_BUILDS).find((candidate) => build >= candidate.build);
  return row?.version ?? fromVersionId;
}

function isServer(os: GuestOs): boolean {
  // The agent always sends the variant; the product name covers replacements of the agent that do not.
  const variant = os.variantId || os.variant || os.prettyName || '';
  return variant.toLowerCase().includes('server');
}
