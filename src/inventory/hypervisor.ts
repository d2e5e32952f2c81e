import type { ConfigurationClient } from '../daemon/configuration-client.ts';
import { formatVersion } from '../daemon/event-client.ts';
import { LibvirtServerError } from '../libvirt/errors.ts';
import { type Capabilities, parseCapabilities } from './capabilities.ts';

/** Versions and capabilities of the hypervisor, which change with its packages. */
export interface HypervisorInfo {
  /** Installed version of the default emulator, "7.2.22"; undefined when no emulator is installed. */
  readonly version: string | undefined;
  /** Version of the libvirt daemon, "9.0.0". */
  readonly libvirtVersion: string | undefined;
  readonly capabilities: Capabilities | undefined;
  /** Errors of the calls that failed. */
  readonly problems: readonly Error[];
}

/**
 * Reads the hypervisor with three calls, which are cheap unless libvirt has to probe a changed emulator. Never throws: a
 * value without an answer stays as before.
 */
export async function readHypervisor(
  client: ConfigurationClient,
  before: HypervisorInfo | undefined,
): Promise<HypervisorInfo> {
  const problems: Error[] = [];
  const known = async <T>(answer: Promise<T>, knownBefore: T | undefined): Promise<T | undefined> => {
    try {
      return await answer;
    } catch (error) {
      problems.push(error instanceof Error ? error : new Error(String(error)));
      return error instanceof LibvirtServerError ? undefined : knownBefore;
    }
  };
  const [version, libvirtVersion, capabilities] = await Promise.all([
    known(client.hypervisorVersion().then(formatVersion), before?.version),
    known(client.daemonVersion().then(formatVersion), before?.libvirtVersion),
    known(client.capabilities().then(parseCapabilities), before?.capabilities),
  ]);
  return { version, libvirtVersion, capabilities: capabilities ?? before?.capabilities, problems };
}
