import type { ConfigurationClient } from '../daemon/configuration-client.ts';
import { formatVersion } from '../daemon/event-client.ts';
import { LibvirtServerError } from '../libvirt/errors.ts';
import { type Capabilities, parseCapabilities } from './capabilities.ts';

/** What is known of the hypervisor itself; changes when its packages do. */
export interface HypervisorInfo {
  /** Installed version of the default emulator, "7.2.22"; undefined when no emulator is installed. */
  readonly version: string | undefined;
  /** Version of the libvirt daemon, "9.0.0". */
  readonly libvirtVersion: string | undefined;
  readonly capabilities: Capabilities | undefined;
  /** What could not be read, and why. */
  readonly problems: readonly Error[];
}

/**
 * Three cheap calls, unless an emulator changed and libvirt has to probe it again. Never throws: what gets no answer stays
 * as it was before.
 */
export async function readHypervisor(
  client: ConfigurationClient,
  before: HypervisorInfo | undefined,
): Promise<HypervisorInfo> {
  const problems: Error[] = [];
  const known = async <T>(reading: Promise<T>, knownBefore: T | undefined): Promise<T | undefined> => {
    try {
      return await reading;
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
