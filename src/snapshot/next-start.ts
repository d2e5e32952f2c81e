import type { EmulatorEvidence, FileState, FirmwareEvidence, NamedFile } from '../drift/start-blocked.ts';
import type { EmulatorFile } from '../host/emulator-file.ts';
import { type Capabilities, listedEmulators } from '../inventory/capabilities.ts';
import type { DomainConfig } from '../inventory/domain-config.ts';
import type { DomainView } from '../inventory/inventory.ts';

/** What the next start of a domain will use. */
export interface NextStart {
  /** Undefined when the configuration has not been read, or is in a saved image that libvirt cannot read. */
  readonly config: DomainConfig | undefined;
  readonly emulator: EmulatorEvidence;
  readonly firmware: FirmwareEvidence;
}

/** Files by path; there is no entry where the exporter cannot see whether the file exists. */
export type FileStates = ReadonlyMap<string, EmulatorFile | 'missing'>;

/**
 * The configuration that libvirt will use for the next start of a domain: that in its managed save image, else its persistent
 * one, else (of a transient domain, which its owner may start again) the current one.
 */
export function nextConfig({ id, current, persistent, managedSave }: DomainView): DomainConfig | undefined {
  if (id < 0 && typeof managedSave === 'object') return managedSave.config;
  return persistent === undefined || persistent.machine === '' ? current : persistent;
}

/** Files whose state decides whether the configuration can be started. */
export function startFiles({ emulator, bootFiles }: DomainConfig): readonly string[] {
  const { loader, nvramTemplate } = bootFiles;
  return [emulator, loader, nvramTemplate].filter((path) => path !== undefined);
}

/** The variable store's path, where its state decides: each domain has its own, so the others are not looked at. */
export function decisiveStore({ bootFiles }: DomainConfig, files: FileStates): string | undefined {
  const { nvram, nvramTemplate } = bootFiles;
  return nvramTemplate !== undefined && files.get(nvramTemplate) === 'missing' ? nvram : undefined;
}

/** Makes the function that evaluates a domain's next start from the files that the exporter sees. */
export function createNextStart(
  capabilities: Capabilities | undefined,
  files: FileStates,
): (domain: DomainView) => NextStart {
  const available = new Map<string, boolean>();
  for (const { arch, emulator, isAvailable } of capabilities === undefined
    ? []
    : listedEmulators(capabilities))
    available.set(`${arch} ${emulator}`, isAvailable);
  const named = (path: string | undefined): NamedFile | undefined =>
    path === undefined ? undefined : { path, state: stateOf(files.get(path)) };
  return (domain) => {
    const config = nextConfig(domain);
    const { arch, emulator, bootFiles } = config ?? {};
    const { loader, nvram, nvramTemplate, isAutomatic = true } = bootFiles ?? {};
    return {
      config,
      emulator: {
        file: named(emulator)?.state,
        isAvailable: available.get(`${arch} ${emulator}`),
      },
      firmware: {
        loader: named(loader),
        nvram: named(nvram),
        nvramTemplate: named(nvramTemplate),
        isAutomatic,
      },
    };
  };
}

function stateOf(file: EmulatorFile | 'missing' | undefined): FileState {
  if (file === undefined || file === 'missing') return file;
  return file.isExecutable ? 'executable' : 'not_executable';
}
