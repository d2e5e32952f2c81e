import type { EmulatorFiles } from '../host/emulator-files.ts';
import { type Capabilities, emulatorsOf } from '../inventory/capabilities.ts';
import type { DomainConfig } from '../inventory/domain-config.ts';

/**
 * Scripts or links in distribution packages that start the host's default emulator. libvirt of Ubuntu 16.04 and older wrote
 * these paths into new domains, and such domains still have them.
 */
const WRAPPERS: ReadonlySet<string> = new Set(['/usr/bin/kvm', '/usr/bin/kvm-spice']);

/**
 * Finds the emulator paths of domains that the capabilities have under another path: wrappers, and links to the same file.
 * Maps each path to the one in the capabilities. A path keeps the target of `before` while its file cannot be seen, as when
 * a package upgrade replaces the file.
 */
export async function findEmulatorPaths(
  capabilities: Capabilities,
  configs: Iterable<DomainConfig>,
  files: EmulatorFiles,
  before: ReadonlyMap<string, string> = new Map(),
): Promise<ReadonlyMap<string, string>> {
  const targets = new Map<string, string>();
  const listedFor = new Map<string, readonly string[]>();
  const checked = new Set<string>();
  for (const { arch, emulator } of configs) {
    if (emulator === undefined || checked.has(emulator)) continue;
    checked.add(emulator);
    const listed = listedFor.get(arch) ?? emulatorsOf(capabilities, arch);
    listedFor.set(arch, listed);
    if (listed.includes(emulator)) continue;
    const known = listed.find((path) => path === before.get(emulator));
    const target = WRAPPERS.has(emulator) ? listed[0] : await sameFile(emulator, listed, files, known);
    if (target !== undefined) targets.set(emulator, target);
  }
  return targets;
}

async function sameFile(
  path: string,
  candidates: readonly string[],
  files: EmulatorFiles,
  known: string | undefined,
): Promise<string | undefined> {
  const seen = await files.read([path, ...candidates]);
  const file = seen.get(path);
  if (file === undefined) return known;
  return candidates.find((candidate) => {
    const other = seen.get(candidate);
    return file !== undefined && other?.dev === file.dev && other.ino === file.ino;
  });
}
