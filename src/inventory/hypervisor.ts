import { formatVersion, type LibvirtClient } from '../libvirt/client.ts';
import { type Capabilities, parseCapabilities } from './capabilities.ts';

/** What is known of the hypervisor itself; changes when its packages do. */
export interface HypervisorFacts {
  /** Installed version of the default emulator, "7.2.22"; undefined when no emulator is installed. */
  readonly version: string | undefined;
  /** Version of the libvirt daemon, "9.0.0". */
  readonly libvirtVersion: string | undefined;
  readonly capabilities: Capabilities | undefined;
  /** What could not be read, and why. */
  readonly problems: readonly Error[];
}

/** Three cheap calls, unless an emulator changed and libvirt has to probe it again. Never throws. */
export async function readHypervisor(client: LibvirtClient): Promise<HypervisorFacts> {
  const problems: Error[] = [];
  const known = async <T>(reading: Promise<T>): Promise<T | undefined> => {
    try {
      return await reading;
    } catch (error) {
      problems.push(error instanceof Error ? error : new Error(String(error)));
      return undefined;
    }
  };
  const [version, libvirtVersion, capabilities] = await Promise.all([
    known(client.hypervisorVersion().then(formatVersion)),
    known(client.daemonVersion().then(formatVersion)),
    known(client.capabilities().then(parseCapabilities)),
  ]);
  return { version, libvirtVersion, capabilities, problems };
}
