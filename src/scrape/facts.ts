import type { EmulatorFile } from '../host/emulator-file.ts';
import type { QemuProcess } from '../host/qemu-process.ts';
import type { HypervisorFacts } from '../inventory/hypervisor.ts';
import type { DomainView } from '../inventory/inventory.ts';

/** A domain with what the host tells of its current run. */
export interface DomainFacts extends DomainView {
  /** The QEMU process; undefined when it does not run or cannot be seen. */
  readonly process: QemuProcess | undefined;
  /** QEMU version that the domain's log gives for this run; undefined when it cannot be read. */
  readonly loggedVersion: string | undefined;
  /** The emulator binary as it is installed now; undefined when it cannot be seen. */
  readonly emulatorFile: EmulatorFile | undefined;
}

/** Everything one scrape knows, gathered before any collector runs. */
export interface ScrapeFacts {
  readonly hypervisor: HypervisorFacts | undefined;
  /** Number of domains by virDomainState, those that are not served included. */
  readonly stateCounts: ReadonlyMap<number, number>;
  /** The domains that `--domain.include` and `--domain.exclude` leave. */
  readonly domains: readonly DomainFacts[];
  /** End of life of an osinfo id, Unix time in seconds. */
  readonly endOfLife: (osId: string) => number | undefined;
}
