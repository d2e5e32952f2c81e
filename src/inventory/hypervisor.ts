import type { ConfigurationClient } from '../daemon/configuration-client.ts';
import { formatVersion, type LibvirtVersion } from '../daemon/event-client.ts';
import { type Capabilities, emulatorsOf, parseCapabilities, withLostEmulators } from './capabilities.ts';
import type { DomainConfig } from './domain-config.ts';

/** Versions and capabilities of the hypervisor, which change with its packages. */
export interface HypervisorInfo {
  /** Installed version of the default emulator, "7.2.22", as last known; undefined when it was never known. */
  readonly version: string | undefined;
  /**
   * When the call was sent to which libvirt returned `version`, in performance.now() milliseconds; undefined when a later
   * call failed or `version` is undefined.
   */
  readonly versionReadAt: number | undefined;
  /** Version of the libvirt daemon, "9.0.0". */
  readonly libvirtVersion: string | undefined;
  readonly capabilities: Capabilities | undefined;
  /** Errors of the calls that failed. */
  readonly problems: readonly Error[];
}

/** An upgrade that waits for an answer overnight is no reason to forget an emulator, and one that was removed ends here. */
const KEEP_LOST_SECONDS = 24 * 3_600;

/**
 * Reads the hypervisor with three calls, which are cheap unless libvirt has to probe a changed emulator. Never throws: a
 * value without an answer stays as before.
 */
export async function readHypervisor(
  client: ConfigurationClient,
  before: HypervisorInfo | undefined,
): Promise<HypervisorInfo> {
  const problems: Error[] = [];
  const known = async <T>(answer: Promise<T>): Promise<T | undefined> => {
    try {
      return await answer;
    } catch (error) {
      problems.push(error instanceof Error ? error : new Error(String(error)));
      return undefined;
    }
  };
  const sentAt = performance.now();
  const [version, libvirtVersion, fresh] = await Promise.all([
    known(client.hypervisorVersion().then(versionText)),
    known(client.daemonVersion().then(versionText)),
    known(client.capabilities().then(parseCapabilities)),
  ]);
  const capabilities =
    fresh === undefined
      ? before?.capabilities
      : withLostEmulators(fresh, before?.capabilities, Date.now() / 1000, KEEP_LOST_SECONDS);
  return {
    version: version ?? (hasNoHostEmulator(capabilities) ? undefined : before?.version),
    versionReadAt: version === undefined ? undefined : sentAt,
    libvirtVersion: libvirtVersion ?? before?.libvirtVersion,
    capabilities,
    problems,
  };
}

/** Whether libvirt could not run a known emulator when the capabilities were read. */
export function hasLostEmulator({ capabilities }: HypervisorInfo): boolean {
  return (capabilities?.guests ?? []).some(({ domains }) =>
    domains.some(({ lostSinceSeconds }) => lostSinceSeconds !== undefined),
  );
}

/**
 * Looks up the installed version of emulators. libvirt reports the version of one emulator only: the default of the host's
 * own architecture. For a custom path or another architecture the version is undefined.
 */
export function createVersionLookup(
  hypervisor: Pick<HypervisorInfo, 'version' | 'capabilities'> | undefined,
): (config: Pick<DomainConfig, 'arch' | 'emulator'>) => string | undefined {
  const { version, capabilities } = hypervisor ?? {};
  const hostArch = capabilities?.hostArch;
  if (version === undefined || capabilities === undefined || hostArch === undefined) return () => undefined;
  const defaults = new Set<string>(emulatorsOf(capabilities, hostArch));
  return ({ arch, emulator }) => {
    const isDefault = emulator === undefined ? arch === hostArch : defaults.has(emulator);
    return isDefault ? version : undefined;
  };
}

function hasNoHostEmulator(capabilities: Capabilities | undefined): boolean {
  return (
    capabilities?.hostArch !== undefined && emulatorsOf(capabilities, capabilities.hostArch).length === 0
  );
}

/** A version 0 is a number that libvirt did not set, and each part of a real one has three digits at most. */
function versionText(version: LibvirtVersion): string | undefined {
  const { major, minor, micro } = version;
  const isReal = [major, minor, micro].every((part) => Number.isInteger(part) && part >= 0 && part < 1_000);
  return isReal && major + minor > 0 ? formatVersion(version) : undefined;
}
